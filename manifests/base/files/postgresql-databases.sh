# Run once by PostgreSQL's image, when its volume is empty: a role and a database for each who uses it.
psql --no-psqlrc --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname=postgres \
  --set=mlflow="$MLFLOW_DB_PASSWORD" --set=screentest="$SCREENTEST_DB_PASSWORD" <<'SQL'
CREATE ROLE mlflow LOGIN PASSWORD :'mlflow';
CREATE DATABASE mlflow OWNER mlflow;
CREATE DATABASE mlflow_auth OWNER mlflow;
CREATE ROLE screentest LOGIN PASSWORD :'screentest';
CREATE DATABASE screentest OWNER screentest;
SQL
