-- The role of the exporter; run at every boot, as postgres through the socket.
SET client_min_messages = warning;

SELECT 'CREATE ROLE "postgres-exporter"'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'postgres-exporter')
\gexec
ALTER ROLE "postgres-exporter" LOGIN;
GRANT pg_monitor TO "postgres-exporter";
