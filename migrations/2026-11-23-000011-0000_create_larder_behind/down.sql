DROP TABLE IF EXISTS larder_behind_dead;
DROP TABLE IF EXISTS larder_behind_held;
DROP TABLE IF EXISTS larder_behind;
