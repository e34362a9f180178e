DROP TABLE IF EXISTS larder_behind_dead;
DROP TABLE IF EXISTS larder_behind;
