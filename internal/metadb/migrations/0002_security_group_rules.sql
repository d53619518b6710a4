-- The rules of security groups. peer is the group that a rule refers to, or ''.
CREATE TABLE security_group_rules (
  region      TEXT NOT NULL,
  id          TEXT NOT NULL,
  owner       TEXT NOT NULL,
  group_id    TEXT NOT NULL,
  peer        TEXT NOT NULL,
  doc_version INTEGER NOT NULL,
  doc         TEXT NOT NULL,
  PRIMARY KEY (region, id),
  FOREIGN KEY (region, group_id) REFERENCES security_groups (region, id)
) STRICT;
CREATE INDEX security_group_rules_by_owner ON security_group_rules (region, owner, id);
CREATE INDEX security_group_rules_by_group ON security_group_rules (region, group_id, id);
CREATE INDEX security_group_rules_by_peer ON security_group_rules (region, peer, id);

-- Until now nothing was filtered, and every group was the default group of a
-- default VPC. Each gets the rules that such a group is made with: everything
-- from the group itself, SSH from this host, everything out. The IDs follow
-- from the group's: the first of its 17 digits becomes a, b or c.
INSERT INTO security_group_rules (region, id, owner, group_id, peer, doc_version, doc)
SELECT region, 'sgr-a' || substr(id, 5), owner, id, id, 1,
  '{"ID":"sgr-a' || substr(id, 5) || '","Region":"' || region || '","Owner":"' || owner || '","Group":"' || id ||
  '","Protocol":"-1","FromPort":-1,"ToPort":-1,"Peer":"' || id || '"}'
FROM security_groups;
INSERT INTO security_group_rules (region, id, owner, group_id, peer, doc_version, doc)
SELECT region, 'sgr-b' || substr(id, 5), owner, id, '', 1,
  '{"ID":"sgr-b' || substr(id, 5) || '","Region":"' || region || '","Owner":"' || owner || '","Group":"' || id ||
  '","Protocol":"tcp","FromPort":22,"ToPort":22,"CIDR":"127.0.0.0/8","Description":"SSH from the host of this installation"}'
FROM security_groups;
INSERT INTO security_group_rules (region, id, owner, group_id, peer, doc_version, doc)
SELECT region, 'sgr-c' || substr(id, 5), owner, id, '', 1,
  '{"ID":"sgr-c' || substr(id, 5) || '","Region":"' || region || '","Owner":"' || owner || '","Group":"' || id ||
  '","Egress":true,"Protocol":"-1","FromPort":-1,"ToPort":-1,"CIDR":"0.0.0.0/0"}'
FROM security_groups;

-- Default VPCs have public names.
UPDATE vpcs SET doc = replace(doc, '"Default":true', '"Default":true,"DNSHostnames":true');
