BEGIN TRANSACTION;
CREATE TABLE audit_events (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at BIGINT NOT NULL, 
	actor TEXT NOT NULL, 
	organization_id TEXT, 
	event TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	details TEXT NOT NULL
);
INSERT INTO "audit_events" VALUES(1,1000,'operator',NULL,'gateway.init','gateway','{}');
INSERT INTO "audit_events" VALUES(2,1001,'operator','acme','organization.found','acme','{"name": "Ācme"}');
INSERT INTO "audit_events" VALUES(3,1002,'operator','other','organization.found','other','{}');
INSERT INTO "audit_events" VALUES(4,1003,'identity-eve','acme','key.create','key-live','{"key": "a \"live\" one", "kind": "account"}');
INSERT INTO "audit_events" VALUES(5,2000,'identity-eve','acme','key.revoke','key-revoked','{}');
CREATE TABLE changes (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	nonce BIGINT NOT NULL, 
	digest TEXT, 
	version INTEGER
);
INSERT INTO "changes" VALUES(1,4921669307154485724,NULL,NULL);
INSERT INTO "changes" VALUES(2,1009399368289224605,'247610f4dedd4ab7247d07dbda19c81ca9817f85820742cad49d407ffae9e4ed',1);
INSERT INTO "changes" VALUES(3,5659213526864833336,'4bb47f186df233e48b09d241ee4defb821add0c35ac8311469fe1522c6813dd5',1);
INSERT INTO "changes" VALUES(4,3717135111422242566,'4bb47f186df233e48b09d241ee4defb821add0c35ac8311469fe1522c6813dd5',2);
CREATE TABLE identities (
	id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	organization_id TEXT NOT NULL, 
	user_id TEXT, 
	instance_id TEXT, 
	CONSTRAINT pk_identities PRIMARY KEY (id), 
	CONSTRAINT fk_identities_instance_id_organization_id FOREIGN KEY(instance_id, organization_id) REFERENCES integration_instances (id, organization_id), 
	CONSTRAINT uq_identities_user_id_organization_id UNIQUE (user_id, organization_id), 
	CONSTRAINT ck_identities_user CHECK ((kind = 'user') = (user_id IS NOT NULL)), 
	CONSTRAINT ck_identities_instance CHECK ((kind = 'integration') = (instance_id IS NOT NULL)), 
	CONSTRAINT fk_identities_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id), 
	CONSTRAINT fk_identities_user_id FOREIGN KEY(user_id) REFERENCES users (id)
);
INSERT INTO "identities" VALUES('identity-eve','user','acme','eve',NULL);
INSERT INTO "identities" VALUES('identity-account','account','acme',NULL,NULL);
INSERT INTO "identities" VALUES('identity-aws','integration','acme',NULL,'instance-1');
CREATE TABLE integration_instances (
	id TEXT NOT NULL, 
	organization_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	CONSTRAINT pk_integration_instances PRIMARY KEY (id), 
	CONSTRAINT uq_integration_instances_id_organization_id UNIQUE (id, organization_id), 
	CONSTRAINT fk_integration_instances_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id)
);
INSERT INTO "integration_instances" VALUES('instance-1','acme','AWS');
CREATE TABLE keys (
	id TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	identity_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	category TEXT, 
	policy TEXT, 
	start TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	created_by TEXT, 
	expires_at BIGINT, 
	revoked_at BIGINT, 
	revoked_by TEXT, 
	version INTEGER NOT NULL, 
	CONSTRAINT pk_keys PRIMARY KEY (id), 
	CONSTRAINT ck_keys_digest CHECK (length(digest) = 64 AND digest = lower(digest)), 
	CONSTRAINT ck_keys_id CHECK (id <> identity_id), 
	CONSTRAINT uq_keys_digest UNIQUE (digest), 
	CONSTRAINT fk_keys_identity_id FOREIGN KEY(identity_id) REFERENCES identities (id)
);
INSERT INTO "keys" VALUES('key-live','247610f4dedd4ab7247d07dbda19c81ca9817f85820742cad49d407ffae9e4ed','identity-account','live','ci','{"permissions": [{"effect": "ALLOW", "actions": ["*"], "resources": ["*"]}]}','gwa_1234',1000,'identity-eve',NULL,NULL,NULL,1);
INSERT INTO "keys" VALUES('key-revoked','4bb47f186df233e48b09d241ee4defb821add0c35ac8311469fe1522c6813dd5','identity-aws','revoked',NULL,NULL,'gwi_1234',1000,NULL,9000,2000,'identity-eve',2);
CREATE TABLE logins (
	digest TEXT NOT NULL, 
	identity_id TEXT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	used_at BIGINT, 
	CONSTRAINT pk_logins PRIMARY KEY (digest), 
	CONSTRAINT ck_logins_digest CHECK (length(digest) = 64 AND digest = lower(digest)), 
	CONSTRAINT fk_logins_identity_id FOREIGN KEY(identity_id) REFERENCES identities (id)
);
INSERT INTO "logins" VALUES('5694d08a2e53ffcae0c3103e5ad6f6076abd960eb1f8a56577040bc1028f702b','identity-eve',10000,NULL);
CREATE TABLE members (
	user_id TEXT NOT NULL, 
	organization_id TEXT NOT NULL, 
	role TEXT NOT NULL, 
	CONSTRAINT pk_members PRIMARY KEY (user_id, organization_id), 
	CONSTRAINT ck_members_role CHECK (role IN ('organization_admin', 'user')), 
	CONSTRAINT fk_members_user_id FOREIGN KEY(user_id) REFERENCES users (id), 
	CONSTRAINT fk_members_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id)
);
INSERT INTO "members" VALUES('eve','acme','organization_admin');
CREATE TABLE meta (
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_meta PRIMARY KEY (name)
);
INSERT INTO "meta" VALUES('schema','1');
CREATE TABLE organizations (
	id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	CONSTRAINT pk_organizations PRIMARY KEY (id)
);
INSERT INTO "organizations" VALUES('acme','Acme');
INSERT INTO "organizations" VALUES('other','Other');
CREATE TABLE users (
	id TEXT NOT NULL, 
	email TEXT NOT NULL, 
	email_folded TEXT NOT NULL, 
	platform_admin BOOLEAN NOT NULL, 
	status TEXT NOT NULL, 
	CONSTRAINT pk_users PRIMARY KEY (id), 
	CONSTRAINT ck_users_status CHECK (status IN ('active', 'disabled', 'deleted')), 
	CONSTRAINT uq_users_email_folded UNIQUE (email_folded)
);
INSERT INTO "users" VALUES('eve','Eve@Example.com','eve@example.com',1,'active');
CREATE INDEX ix_changes_digest_seq ON changes (digest, seq);
CREATE INDEX ix_audit_events_organization_id_id ON audit_events (organization_id, id);
CREATE INDEX ix_keys_identity_id ON keys (identity_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('changes',4);
INSERT INTO "sqlite_sequence" VALUES('audit_events',5);
COMMIT;
