-- Run once, when the volume is empty: the gateway's own user, who owns its database and is nobody else.
\set ON_ERROR_STOP on
\set password `cat "${GATEWAY_PASSWORD_FILE:-/run/secrets/gateway_password}"`
CREATE ROLE gateway LOGIN PASSWORD :'password';
CREATE DATABASE gateway OWNER gateway TEMPLATE template0 ENCODING 'UTF8';
REVOKE CONNECT ON DATABASE gateway FROM PUBLIC;
