-- One role and its database; run at every boot, as postgres through the socket.
-- Names and the password come from the environment.
\getenv user POSTGRES_USER
\getenv database POSTGRES_DB
\getenv password POSTGRES_PASSWORD

-- A statement that is logged is logged with its text, which would be the password.
SET log_statement = none;
SET log_min_duration_statement = -1;
SET log_min_error_statement = panic;

SELECT format('CREATE ROLE %I', :'user')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'user')
\gexec
ALTER ROLE :"user" LOGIN CREATEDB PASSWORD :'password';

SELECT format('CREATE DATABASE %I OWNER %I', :'database', :'user')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database')
\gexec
GRANT ALL PRIVILEGES ON DATABASE :"database" TO :"user";
-- Nobody else's: PostgreSQL would let every role connect.
REVOKE CONNECT, TEMPORARY ON DATABASE :"database" FROM PUBLIC;
