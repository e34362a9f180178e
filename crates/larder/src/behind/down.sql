DROP TABLE larder_behind_dead;
DROP TABLE larder_behind_held;
DROP TABLE larder_behind;
