-- The first schema. Migrations are written in SQLite's spelling with three
-- column types: INTEGER (64 bits), TEXT (compared byte by byte) and BLOB. The
-- PostgreSQL dialect maps the words. Times are microseconds since 1970, UTC, if not
-- said otherwise.
--
-- A noun's row holds the columns that queries, constraints and visibility use,
-- and the whole noun as one JSON document of format doc_version.

CREATE TABLE accounts (
  id      TEXT PRIMARY KEY,
  name    TEXT NOT NULL UNIQUE,
  created INTEGER NOT NULL
) STRICT;

CREATE TABLE access_keys (
  id      TEXT PRIMARY KEY,
  account TEXT NOT NULL REFERENCES accounts (id),
  secret  TEXT NOT NULL,
  created INTEGER NOT NULL
) STRICT;
CREATE INDEX access_keys_by_account ON access_keys (account, id);

CREATE TABLE settings (
  name  TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT;

CREATE TABLE snapshots (
  region      TEXT NOT NULL,
  id          TEXT NOT NULL,
  owner       TEXT NOT NULL,
  state       TEXT NOT NULL,
  volume      TEXT NOT NULL,
  doc_version INTEGER NOT NULL,
  doc         TEXT NOT NULL,
  PRIMARY KEY (region, id)
) STRICT;
CREATE INDEX snapshots_by_owner ON snapshots (region, owner, id);
CREATE INDEX snapshots_by_volume ON snapshots (region, volume, id);

-- Who but the owner may use it: an account, or 'all'.
CREATE TABLE snapshot_grants (
  region   TEXT NOT NULL,
  account  TEXT NOT NULL,
  snapshot TEXT NOT NULL,
  PRIMARY KEY (region, account, snapshot),
  FOREIGN KEY (region, snapshot) REFERENCES snapshots (region, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX snapshot_grants_by_snapshot ON snapshot_grants (region, snapshot);

-- live_name is the name while it is taken: NULL once deregistered.
CREATE TABLE images (
  region      TEXT NOT NULL,
  id          TEXT NOT NULL,
  owner       TEXT NOT NULL,
  state       TEXT NOT NULL,
  name        TEXT NOT NULL,
  live_name   TEXT,
  doc_version INTEGER NOT NULL,
  doc         TEXT NOT NULL,
  PRIMARY KEY (region, id),
  UNIQUE (region, owner, live_name)
) STRICT;
CREATE INDEX images_by_owner ON images (region, owner, id);
CREATE INDEX images_by_name ON images (region, name, id);

CREATE TABLE image_grants (
  region  TEXT NOT NULL,
  account TEXT NOT NULL,
  image   TEXT NOT NULL,
  PRIMARY KEY (region, account, image),
  FOREIGN KEY (region, image) REFERENCES images (region, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX image_grants_by_image ON image_grants (region, image);

-- The snapshots that live images map; none of them can be deleted.
CREATE TABLE image_snapshots (
  region   TEXT NOT NULL,
  snapshot TEXT NOT NULL,
  image    TEXT NOT NULL,
  PRIMARY KEY (region, snapshot, image),
  FOREIGN KEY (region, snapshot) REFERENCES snapshots (region, id),
  FOREIGN KEY (region, image) REFERENCES images (region, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX image_snapshots_by_image ON image_snapshots (region, image);

-- The addresses are numbers, and NULL once nothing holds them.
CREATE TABLE instances (
  region      TEXT NOT NULL,
  id          TEXT NOT NULL,
  owner       TEXT NOT NULL,
  state       TEXT NOT NULL,
  image       TEXT NOT NULL,
  reservation TEXT NOT NULL,
  vpc         TEXT NOT NULL,
  subnet      TEXT NOT NULL,
  private_ip  INTEGER,
  public_ip   INTEGER UNIQUE,
  doc_version INTEGER NOT NULL,
  doc         TEXT NOT NULL,
  PRIMARY KEY (region, id),
  UNIQUE (region, subnet, private_ip)
) STRICT;
CREATE INDEX instances_by_owner ON instances (region, owner, id);
CREATE INDEX instances_by_image ON instances (region, image, id);
CREATE INDEX instances_by_reservation ON instances (region, reservation, id);
CREATE INDEX instances_by_vpc_ip ON instances (region, vpc, private_ip);

CREATE TABLE volumes (
  region      TEXT NOT NULL,
  id          TEXT NOT NULL,
  owner       TEXT NOT NULL,
  state       TEXT NOT NULL,
  snapshot    TEXT NOT NULL,
  doc_version INTEGER NOT NULL,
  doc         TEXT NOT NULL,
  PRIMARY KEY (region, id)
) STRICT;
CREATE INDEX volumes_by_owner ON volumes (region, owner, id);
CREATE INDEX volumes_by_snapshot ON volumes (region, snapshot, id);

CREATE TABLE volume_attachments (
  region   TEXT NOT NULL,
  instance TEXT NOT NULL,
  device   TEXT NOT NULL,
  volume   TEXT NOT NULL,
  PRIMARY KEY (region, instance, device),
  FOREIGN KEY (region, instance) REFERENCES instances (region, id),
  FOREIGN KEY (region, volume) REFERENCES volumes (region, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX volume_attachments_by_volume ON volume_attachments (region, volume);

CREATE TABLE key_pairs (
  region      TEXT NOT NULL,
  id          TEXT NOT NULL,
  owner       TEXT NOT NULL,
  name        TEXT NOT NULL,
  doc_version INTEGER NOT NULL,
  doc         TEXT NOT NULL,
  PRIMARY KEY (region, id),
  UNIQUE (region, owner, name)
) STRICT;
CREATE INDEX key_pairs_by_owner ON key_pairs (region, owner, id);

CREATE TABLE vpcs (
  region      TEXT NOT NULL,
  id          TEXT NOT NULL,
  owner       TEXT NOT NULL,
  doc_version INTEGER NOT NULL,
  doc         TEXT NOT NULL,
  PRIMARY KEY (region, id)
) STRICT;
CREATE INDEX vpcs_by_owner ON vpcs (region, owner, id);

CREATE TABLE subnets (
  region      TEXT NOT NULL,
  id          TEXT NOT NULL,
  owner       TEXT NOT NULL,
  vpc         TEXT NOT NULL,
  doc_version INTEGER NOT NULL,
  doc         TEXT NOT NULL,
  PRIMARY KEY (region, id),
  FOREIGN KEY (region, vpc) REFERENCES vpcs (region, id)
) STRICT;
CREATE INDEX subnets_by_owner ON subnets (region, owner, id);
CREATE INDEX subnets_by_vpc ON subnets (region, vpc, id);

CREATE TABLE security_groups (
  region      TEXT NOT NULL,
  id          TEXT NOT NULL,
  owner       TEXT NOT NULL,
  vpc         TEXT NOT NULL,
  name        TEXT NOT NULL,
  doc_version INTEGER NOT NULL,
  doc         TEXT NOT NULL,
  PRIMARY KEY (region, id),
  UNIQUE (region, owner, vpc, name),
  FOREIGN KEY (region, vpc) REFERENCES vpcs (region, id)
) STRICT;
CREATE INDEX security_groups_by_owner ON security_groups (region, owner, id);
CREATE INDEX security_groups_by_vpc ON security_groups (region, vpc, id);

-- Tags are per account, on images and snapshots of others too.
CREATE TABLE tags (
  region   TEXT NOT NULL,
  account  TEXT NOT NULL,
  resource TEXT NOT NULL,
  name     TEXT NOT NULL,
  value    TEXT NOT NULL,
  PRIMARY KEY (region, account, resource, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX tags_by_value ON tags (region, account, name, value, resource);
CREATE INDEX tags_by_resource ON tags (region, resource);

-- Client tokens. result is what the first request with the token made.
CREATE TABLE once (
  account     TEXT NOT NULL,
  region      TEXT NOT NULL,
  operation   TEXT NOT NULL,
  token       TEXT NOT NULL,
  fingerprint BLOB NOT NULL,
  result      TEXT NOT NULL,
  expires     INTEGER NOT NULL,
  PRIMARY KEY (account, region, operation, token)
) STRICT;
CREATE INDEX once_by_expiry ON once (expires);

-- Work. A queued task may be begun once due; a running one is held by worker
-- until lease. interrupted counts the workers that died of it or beside it.
CREATE TABLE tasks (
  region      TEXT NOT NULL,
  id          TEXT NOT NULL,
  owner       TEXT NOT NULL,
  kind        TEXT NOT NULL,
  resource    TEXT NOT NULL,
  state       TEXT NOT NULL,
  due         INTEGER NOT NULL DEFAULT 0,
  worker      TEXT NOT NULL DEFAULT '',
  lease       INTEGER NOT NULL DEFAULT 0,
  cancelled   INTEGER NOT NULL DEFAULT 0,
  interrupted INTEGER NOT NULL DEFAULT 0,
  doc_version INTEGER NOT NULL,
  doc         TEXT NOT NULL,
  PRIMARY KEY (region, id),
  UNIQUE (id)
) STRICT;
CREATE INDEX tasks_by_state ON tasks (state, kind, due, id);
CREATE INDEX tasks_by_owner ON tasks (region, owner, id);
CREATE INDEX tasks_by_resource ON tasks (region, resource, id);

-- Where the blocks of the block store lie. Domains and packs are numbered so
-- that the row of a block is short.
CREATE TABLE block_domains (
  number INTEGER PRIMARY KEY,
  name   TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE packs (
  number  INTEGER PRIMARY KEY,
  id      BLOB NOT NULL UNIQUE,
  domain  INTEGER NOT NULL REFERENCES block_domains (number),
  class   INTEGER NOT NULL,
  size    INTEGER NOT NULL,
  records INTEGER NOT NULL,
  created INTEGER NOT NULL -- nanoseconds
) STRICT;

CREATE TABLE blocks (
  id     BLOB NOT NULL,
  domain INTEGER NOT NULL,
  pack   INTEGER NOT NULL,
  start  INTEGER NOT NULL,
  length INTEGER NOT NULL,
  PRIMARY KEY (id, domain)
) STRICT, WITHOUT ROWID;
CREATE INDEX blocks_by_pack ON blocks (pack);
