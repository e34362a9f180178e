DROP TRIGGER create_user_visits ON users;
DROP FUNCTION create_user_visits();
DROP TABLE user_visits;
