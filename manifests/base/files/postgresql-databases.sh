# Run once by PostgreSQL's image, when its volume is empty: a role and a database for each who uses it. In UTF-8 whatever
# the locale: from an SQL_ASCII database the driver hands out bytes, which MLflow cannot read.
psql --no-psqlrc --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname=postgres \
  --set=mlflow="$MLFLOW_DB_PASSWORD" --set=screentest="$SCREENTEST_DB_PASSWORD" <<'SQL'
CREATE ROLE mlflow LOGIN PASSWORD :'mlflow';
CREATE DATABASE mlflow OWNER mlflow ENCODING 'UTF8' TEMPLATE template0;
CREATE DATABASE mlflow_auth OWNER mlflow ENCODING 'UTF8' TEMPLATE template0;
CREATE ROLE screentest LOGIN PASSWORD :'screentest';
CREATE DATABASE screentest OWNER screentest ENCODING 'UTF8' TEMPLATE template0;
SQL
