-- Rows as schema 9 held them, for TestMigrateFromEach. Never change them: add a
-- file for the next schema.
INSERT INTO accounts (id, name, created) VALUES
  ('111111111111', 'default', 1767323045000000);
INSERT INTO access_keys (id, account, secret, created) VALUES
  ('AKIAIOSFODNN7EXAMPLE', '111111111111', 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', 1767323045000000);
INSERT INTO settings (name, value) VALUES
  ('secret', x'78');
INSERT INTO snapshots (region, id, owner, state, volume, doc_version, doc) VALUES
  ('us-east-1', 'snap-0123456789abcdef0', '111111111111', 'completed', 'vol-ffffffff', 1, '{"ID":"snap-0123456789abcdef0","Region":"us-east-1","Owner":"111111111111","Volume":"vol-ffffffff","State":"completed","Progress":100,"Started":"2026-01-02T03:04:05Z","Completed":"2026-01-02T03:04:05Z","VolumeSize":8,"FullSize":524288,"Root":"1:8589934592:00","SharedWith":["222222222222"]}');
INSERT INTO snapshot_grants (region, account, snapshot) VALUES
  ('us-east-1', '222222222222', 'snap-0123456789abcdef0');
INSERT INTO images (region, id, owner, state, name, live_name, doc_version, doc) VALUES
  ('us-east-1', 'ami-0123456789abcdef0', '111111111111', 'available', 'golden', 'golden', 1, '{"ID":"ami-0123456789abcdef0","Region":"us-east-1","Owner":"111111111111","Name":"golden","State":"available","Created":"2026-01-02T03:04:05Z","ImageType":"machine","Architecture":"x86_64","VirtualizationType":"hvm","Hypervisor":"xen","RootDeviceType":"ebs","RootDeviceName":"/dev/xvda","BlockDevices":[{"DeviceName":"/dev/xvda","VirtualName":"","NoDevice":false,"EBS":{"Snapshot":"snap-0123456789abcdef0","VolumeSize":8,"VolumeType":"gp3","IOPS":3000,"Throughput":125,"DeleteOnTermination":true,"Encrypted":null}},{"DeviceName":"/dev/sdb","VirtualName":"ephemeral0","NoDevice":false,"EBS":null}],"ENASupport":true,"PlatformDetails":"Linux/UNIX","UsageOperation":"RunInstances","SharedWith":["222222222222"]}');
INSERT INTO image_grants (region, account, image) VALUES
  ('us-east-1', '222222222222', 'ami-0123456789abcdef0');
INSERT INTO image_snapshots (region, snapshot, image) VALUES
  ('us-east-1', 'snap-0123456789abcdef0', 'ami-0123456789abcdef0');
INSERT INTO instances (region, id, owner, state, image, reservation, vpc, subnet, private_ip, public_ip, doc_version, doc) VALUES
  ('us-east-1', 'i-0123456789abcdef0', '111111111111', 'running', 'ami-0123456789abcdef0', 'r-0123456789abcdef0', 'vpc-0123456789abcdef0', 'subnet-0123456789abcdef0', 2887712772, 2131361793, 1, '{"ID":"i-0123456789abcdef0","Region":"us-east-1","Owner":"111111111111","Reservation":"r-0123456789abcdef0","Image":"ami-0123456789abcdef0","Type":"t3.micro","State":"running","Launched":"2026-01-02T03:04:05Z","Architecture":"x86_64","UserData":"IyE=","Zone":"us-east-1a","VPC":"vpc-0123456789abcdef0","Subnet":"subnet-0123456789abcdef0","SecurityGroups":["sg-0123456789abcdef0"],"MAC":"0a:00:00:00:00:01","PrivateIP":"172.31.0.4","PublicIP":"127.10.0.1","ShutdownBehavior":"stop","Metadata":{"Endpoint":"enabled","Tokens":"optional","HopLimit":1,"InstanceTags":"","IPv6":""}}');
INSERT INTO volumes (region, id, owner, state, snapshot, doc_version, doc) VALUES
  ('us-east-1', 'vol-0123456789abcdef0', '111111111111', 'in-use', 'snap-0123456789abcdef0', 1, '{"ID":"vol-0123456789abcdef0","Region":"us-east-1","Owner":"111111111111","Zone":"us-east-1a","Size":8,"Type":"gp3","IOPS":3000,"Throughput":125,"Snapshot":"snap-0123456789abcdef0","State":"in-use","Created":"2026-01-02T03:04:05Z","Attachments":[{"Instance":"i-0123456789abcdef0","Device":"/dev/xvda","State":"attached","Attached":"2026-01-02T03:04:05Z","DeleteOnTermination":true,"Slot":0}]}');
INSERT INTO volume_attachments (region, instance, device, volume) VALUES
  ('us-east-1', 'i-0123456789abcdef0', '/dev/xvda', 'vol-0123456789abcdef0');
INSERT INTO key_pairs (region, id, owner, name, doc_version, doc) VALUES
  ('us-east-1', 'key-0123456789abcdef0', '111111111111', 'k', 1, '{"ID":"key-0123456789abcdef0","Region":"us-east-1","Owner":"111111111111","Name":"k","Type":"ed25519","Fingerprint":"f","PublicKey":"ssh-ed25519 AAAA k","Created":"2026-01-02T03:04:05Z"}');
INSERT INTO vpcs (region, id, owner, doc_version, doc) VALUES
  ('us-east-1', 'vpc-0123456789abcdef0', '111111111111', 1, '{"ID":"vpc-0123456789abcdef0","Region":"us-east-1","Owner":"111111111111","CIDR":"172.31.0.0/16","Default":true,"DefaultGroup":"sg-0123456789abcdef0","DNSHostnames":true}');
INSERT INTO subnets (region, id, owner, vpc, doc_version, doc) VALUES
  ('us-east-1', 'subnet-0123456789abcdef0', '111111111111', 'vpc-0123456789abcdef0', 1, '{"ID":"subnet-0123456789abcdef0","Region":"us-east-1","Owner":"111111111111","VPC":"vpc-0123456789abcdef0","Zone":"us-east-1a","CIDR":"172.31.0.0/20","Default":true,"MapPublicIP":true}');
INSERT INTO security_groups (region, id, owner, vpc, name, doc_version, doc) VALUES
  ('us-east-1', 'sg-0123456789abcdef0', '111111111111', 'vpc-0123456789abcdef0', 'default', 1, '{"ID":"sg-0123456789abcdef0","Region":"us-east-1","Owner":"111111111111","VPC":"vpc-0123456789abcdef0","Name":"default","Description":"default VPC security group"}');
INSERT INTO tags (region, account, resource, name, value) VALUES
  ('us-east-1', '111111111111', 'ami-0123456789abcdef0', 'Name', 'Gold');
INSERT INTO once (account, region, operation, token, fingerprint, result, expires) VALUES
  ('111111111111', 'us-east-1', 'RunInstances', 'token', x'0100000000000000000000000000000000000000000000000000000000000000', 'r-0123456789abcdef0', 1767409445000000);
INSERT INTO tasks (region, id, owner, kind, resource, state, due, worker, lease, cancelled, interrupted, doc_version, doc) VALUES
  ('us-east-1', 'task-0123456789abcdef0', '111111111111', 'ebs.snapshot', 'snap-0123456789abcdef0', 'queued', 1767323045000000, '', 0, 0, 0, 1, '{"ID":"task-0123456789abcdef0","Kind":"ebs.snapshot","Region":"us-east-1","Owner":"111111111111","Resource":"snap-0123456789abcdef0","State":"queued","Created":"2026-01-02T03:04:05Z","Updated":"2026-01-02T03:04:05Z"}');
INSERT INTO block_domains (number, name) VALUES
  (1, '');
INSERT INTO packs (number, id, domain, class, size, records, created) VALUES
  (1, x'01000000000000000000000000000000', 1, 1, 10, 1, 1767323045000000000);
INSERT INTO blocks (id, domain, pack, start, length) VALUES
  (x'af5570f5a1810b7af78caf4bc70a660f0df51e42baf91d4de5b2328de0e83dfc', 1, 1, 0, 1);
INSERT INTO security_group_rules (region, id, owner, group_id, peer, doc_version, doc) VALUES
  ('us-east-1', 'sgr-a123456789abcdef0', '111111111111', 'sg-0123456789abcdef0', 'sg-0123456789abcdef0', 1, '{"ID":"sgr-a123456789abcdef0","Region":"us-east-1","Owner":"111111111111","Group":"sg-0123456789abcdef0","Protocol":"-1","FromPort":-1,"ToPort":-1,"Peer":"sg-0123456789abcdef0"}'),
  ('us-east-1', 'sgr-b123456789abcdef0', '111111111111', 'sg-0123456789abcdef0', '', 1, '{"ID":"sgr-b123456789abcdef0","Region":"us-east-1","Owner":"111111111111","Group":"sg-0123456789abcdef0","Protocol":"tcp","FromPort":22,"ToPort":22,"CIDR":"127.0.0.0/8","Description":"SSH from the host of this installation"}'),
  ('us-east-1', 'sgr-c123456789abcdef0', '111111111111', 'sg-0123456789abcdef0', '', 1, '{"ID":"sgr-c123456789abcdef0","Region":"us-east-1","Owner":"111111111111","Group":"sg-0123456789abcdef0","Egress":true,"Protocol":"-1","FromPort":-1,"ToPort":-1,"CIDR":"0.0.0.0/0"}');
INSERT INTO launch_templates (region, id, owner, name, doc_version, doc) VALUES
  ('us-east-1', 'lt-0123456789abcdef0', '111111111111', 'web', 1, '{"ID":"lt-0123456789abcdef0","Region":"us-east-1","Owner":"111111111111","Name":"web","Created":"2026-01-02T03:04:05Z","CreatedBy":"arn:aws:iam::111111111111:root","Default":1,"Latest":1,"Last":1}');
INSERT INTO launch_template_versions (region, id, owner, template, doc_version, doc) VALUES
  ('us-east-1', 'lt-0123456789abcdef0:0000000001', '111111111111', 'lt-0123456789abcdef0', 1, '{"Template":"lt-0123456789abcdef0","Region":"us-east-1","Owner":"111111111111","Number":1,"Created":"2026-01-02T03:04:05Z","CreatedBy":"arn:aws:iam::111111111111:root","Data":{"InstanceType":"t3.micro"}}');
INSERT INTO root_replacements (region, id, owner, instance, doc_version, doc) VALUES
  ('us-east-1', 'replacevol-0123456789abcdef0', '111111111111', 'i-0123456789abcdef0', 1, '{"ID":"replacevol-0123456789abcdef0","Region":"us-east-1","Owner":"111111111111","Instance":"i-0123456789abcdef0","State":"succeeded","Started":"2026-01-02T03:04:05Z","Completed":"2026-01-02T03:04:05Z"}');
INSERT INTO addresses (region, id, owner, public_ip, instance, doc_version, doc) VALUES
  ('us-east-1', 'eipalloc-0123456789abcdef0', '111111111111', 2131361794, '', 1, '{"ID":"eipalloc-0123456789abcdef0","Region":"us-east-1","Owner":"111111111111","PublicIP":"127.10.0.2"}');
INSERT INTO retention_rules (region, id, owner, kind, doc_version, doc) VALUES
  ('us-east-1', 'AbCdEfGhIj0', '111111111111', 'EBS_SNAPSHOT', 1, '{"ID":"AbCdEfGhIj0","Region":"us-east-1","Owner":"111111111111","Created":"2026-01-02T03:04:05Z","Kind":"EBS_SNAPSHOT","Days":7}');
INSERT INTO snapshots (region, id, owner, state, volume, recycled, doc_version, doc) VALUES
  ('us-east-1', 'snap-b123456789abcdef0', '111111111111', 'completed', 'vol-ffffffff', 1, 1, '{"ID":"snap-b123456789abcdef0","Region":"us-east-1","Owner":"111111111111","Volume":"vol-ffffffff","State":"completed","VolumeSize":8,"Bin":{"Entered":"2026-01-02T03:04:05Z","Exit":"2026-01-09T03:04:05Z"}}');
INSERT INTO account_settings (region, account, name, value) VALUES ('us-east-1', '111111111111', 'snapshot-block-public-access', 'block-new-sharing');
INSERT INTO fast_restores (region, id, owner, snapshot, doc_version, doc) VALUES
  ('us-east-1', 'snap-0123456789abcdef0/us-east-1a', '111111111111', 'snap-0123456789abcdef0', 1, '{"Snapshot":"snap-0123456789abcdef0","Region":"us-east-1","Zone":"us-east-1a","Owner":"111111111111","State":"enabled","Enabling":"2026-01-02T03:04:05Z"}');
INSERT INTO kms_keys (region, id, owner, due, doc_version, doc) VALUES
  ('us-east-1', '01234567-89ab-cdef-0123-456789abcdef', '111111111111', 0, 1, '{"ID":"01234567-89ab-cdef-0123-456789abcdef","Region":"us-east-1","Owner":"111111111111","State":"Enabled","Created":"2026-01-02T03:04:05Z","Policy":"{}","Material":1,"MaterialID":"af5570f5a1810b7af78caf4bc70a660f0df51e42baf91d4de5b2328de0e83dfc"}');
INSERT INTO kms_materials (region, kms_key, number, id, reason, created, sealed) VALUES
  ('us-east-1', '01234567-89ab-cdef-0123-456789abcdef', 1, 'af5570f5a1810b7af78caf4bc70a660f0df51e42baf91d4de5b2328de0e83dfc', '', 1767323045000000, x'6f6b7731');
INSERT INTO kms_aliases (region, id, owner, kms_key, doc_version, doc) VALUES
  ('us-east-1', '111111111111:alias/aws/ebs', '111111111111', '01234567-89ab-cdef-0123-456789abcdef', 1, '{"Name":"alias/aws/ebs","Region":"us-east-1","Owner":"111111111111","Key":"01234567-89ab-cdef-0123-456789abcdef","Created":"2026-01-02T03:04:05Z","Updated":"2026-01-02T03:04:05Z"}');
INSERT INTO kms_grants (region, id, owner, kms_key, grantee, retiring, doc_version, doc) VALUES
  ('us-east-1', '0100000000000000000000000000000000000000000000000000000000000000', '111111111111', '01234567-89ab-cdef-0123-456789abcdef', 'arn:aws:iam::222222222222:root', '', 1, '{"ID":"0100000000000000000000000000000000000000000000000000000000000000","Region":"us-east-1","Owner":"111111111111","Key":"01234567-89ab-cdef-0123-456789abcdef","Grantee":"arn:aws:iam::222222222222:root","Issuer":"111111111111","Operations":["Decrypt"],"Created":"2026-01-02T03:04:05Z"}');
INSERT INTO identities (region, id, owner, kind, folded, boundary, doc_version, doc) VALUES
  ('aws-global', 'AIDAAAAAAAAAAAAAAAAAA', '111111111111', 'user', 'alice', '', 1, '{"ID":"AIDAAAAAAAAAAAAAAAAAA","Kind":"user","Account":"111111111111","Path":"/","Name":"Alice","Created":"2026-01-02T03:04:05Z","Attached":["arn:aws:iam::111111111111:policy/p"]}');
INSERT INTO identity_policies (region, policy, identity) VALUES
  ('aws-global', 'arn:aws:iam::111111111111:policy/p', 'AIDAAAAAAAAAAAAAAAAAA');
INSERT INTO policies (region, id, owner, folded, doc_version, doc) VALUES
  ('aws-global', 'ANPAAAAAAAAAAAAAAAAAA', '111111111111', 'p', 1, '{"ID":"ANPAAAAAAAAAAAAAAAAAA","Account":"111111111111","Path":"/","Name":"p","Versions":[{"Number":1,"Document":"{}","Created":"2026-01-02T03:04:05Z"}],"Default":1,"Last":1}');
INSERT INTO organizations (id, management, created) VALUES
  ('o-abcdefghij', '111111111111', 1767323045000000);
INSERT INTO organizational_units (id, organization, parent, name) VALUES
  ('ou-ghij-12345678', 'o-abcdefghij', '', 'builders');
INSERT INTO organization_members (account, organization, unit) VALUES
  ('111111111111', 'o-abcdefghij', 'ou-ghij-12345678');
INSERT INTO image_owner_aliases (account, alias) VALUES
  ('111111111111', 'amazon');
INSERT INTO image_usage_reports (region, id, owner, image, expires, doc_version, doc) VALUES
  ('us-east-1', 'amiur-0123456789abcdef0', '111111111111', 'ami-0123456789abcdef0', 1769915045000000, 1, '{"ID":"amiur-0123456789abcdef0","Region":"us-east-1","Owner":"111111111111","Image":"ami-0123456789abcdef0","Uses":[{"Resource":"ec2:Instance","States":null,"Depth":0}],"State":"available","Created":"2026-01-02T03:04:05Z","Expires":"2026-02-01T03:04:05Z","Entries":[{"Account":"222222222222","Resource":"ec2:Instance","Count":3}]}');
INSERT INTO volumes (region, id, owner, state, snapshot, recycled, copying, doc_version, doc) VALUES
  ('us-east-1', 'vol-b123456789abcdef0', '111111111111', 'available', '', 1, 'vol-0123456789abcdef0', 1, '{"ID":"vol-b123456789abcdef0","Region":"us-east-1","Owner":"111111111111","Zone":"us-east-1a","Size":8,"Type":"gp3","IOPS":3000,"Throughput":125,"Source":"vol-0123456789abcdef0","State":"available","Created":"2026-01-02T03:04:05Z","Bin":{"Entered":"2026-01-02T03:04:05Z","Exit":"2026-01-03T03:04:05Z"},"Copy":{"Layer":0,"Progress":50}}');
INSERT INTO volumes (region, id, owner, state, snapshot, recycled, copying, rekeyed, doc_version, doc) VALUES
  ('us-east-1', 'vol-c123456789abcdef0', '111111111111', 'available', '', 0, '', 'v1:1:00 arn:aws:kms:us-east-1:111111111111:key/1', 1, '{"ID":"vol-c123456789abcdef0","Region":"us-east-1","Owner":"111111111111","Zone":"us-east-1a","Size":8,"Type":"gp3","IOPS":3000,"Throughput":125,"Encrypted":true,"KMSKey":"arn:aws:kms:us-east-1:111111111111:key/1","State":"available","Created":"2026-01-02T03:04:05Z","Rekeyed":{"From":"v1:1:00","Root":"v1:1:01"}}');
