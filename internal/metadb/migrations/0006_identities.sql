-- Users, groups, roles, managed policies and instance profiles. They are the
-- same in every region; their region is 'aws-global'. A folded name is in lower
-- case: names of one kind differ in more than case.
CREATE TABLE identities (
  region      TEXT NOT NULL,
  id          TEXT NOT NULL,
  owner       TEXT NOT NULL,
  kind        TEXT NOT NULL,
  folded      TEXT NOT NULL,
  boundary    TEXT NOT NULL,
  doc_version INTEGER NOT NULL,
  doc         TEXT NOT NULL,
  PRIMARY KEY (region, id),
  UNIQUE (region, owner, kind, folded)
) STRICT;
CREATE INDEX identities_by_boundary ON identities (region, owner, boundary);

-- Managed policies that are attached to an identity, by their ARNs.
CREATE TABLE identity_policies (
  region   TEXT NOT NULL,
  policy   TEXT NOT NULL,
  identity TEXT NOT NULL,
  PRIMARY KEY (region, policy, identity),
  FOREIGN KEY (region, identity) REFERENCES identities (region, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX identity_policies_by_identity ON identity_policies (region, identity);

-- Groups that a user is in.
CREATE TABLE identity_groups (
  region   TEXT NOT NULL,
  group_id TEXT NOT NULL,
  identity TEXT NOT NULL,
  PRIMARY KEY (region, group_id, identity),
  FOREIGN KEY (region, identity) REFERENCES identities (region, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX identity_groups_by_identity ON identity_groups (region, identity);

CREATE TABLE policies (
  region      TEXT NOT NULL,
  id          TEXT NOT NULL,
  owner       TEXT NOT NULL,
  folded      TEXT NOT NULL,
  doc_version INTEGER NOT NULL,
  doc         TEXT NOT NULL,
  PRIMARY KEY (region, id),
  UNIQUE (region, owner, folded)
) STRICT;

CREATE TABLE instance_profiles (
  region      TEXT NOT NULL,
  id          TEXT NOT NULL,
  owner       TEXT NOT NULL,
  folded      TEXT NOT NULL,
  role        TEXT NOT NULL,
  doc_version INTEGER NOT NULL,
  doc         TEXT NOT NULL,
  PRIMARY KEY (region, id),
  UNIQUE (region, owner, folded)
) STRICT;
CREATE INDEX instance_profiles_by_role ON instance_profiles (region, role);

-- An access key is of a user, or of the root of its account if that is ''.
ALTER TABLE access_keys ADD COLUMN user_id TEXT NOT NULL DEFAULT '';
ALTER TABLE access_keys ADD COLUMN disabled INTEGER NOT NULL DEFAULT 0;
CREATE INDEX access_keys_by_user ON access_keys (user_id, id);

-- Temporary credentials, until they expire.
CREATE TABLE sessions (
  id          TEXT PRIMARY KEY,
  identity    TEXT NOT NULL,
  expires     INTEGER NOT NULL,
  doc_version INTEGER NOT NULL,
  doc         TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_by_expires ON sessions (expires);
CREATE INDEX sessions_by_identity ON sessions (identity);
