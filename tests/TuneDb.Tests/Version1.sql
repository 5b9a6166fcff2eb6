-- A file of schema version 1, dumped from one. Never regenerated: it stands for files in users' hands.
BEGIN TRANSACTION;
CREATE TABLE candidates (
  id INTEGER PRIMARY KEY,
  key_hash TEXT NOT NULL,
  run TEXT NOT NULL,
  trace_hash TEXT NOT NULL,
  trace TEXT,
  milliseconds REAL,
  utc TEXT NOT NULL,
  detail TEXT NOT NULL
) STRICT;
INSERT INTO "candidates" VALUES(1,'4fae5bd3d8ae5ede1a978ee7e090dea7','run-1','00000000000000000000000000000001','split i 6',2.5,'2026-03-04T05:06:08.8900000Z','');
INSERT INTO "candidates" VALUES(2,'4fae5bd3d8ae5ede1a978ee7e090dea7','run-1','00000000000000000000000000000002',NULL,NULL,'2026-03-04T05:06:09.8900000Z','hung');
CREATE TABLE history (
  id INTEGER PRIMARY KEY,
  key_hash TEXT NOT NULL,
  recorded_utc TEXT NOT NULL,
  outcome TEXT NOT NULL,
  origin TEXT NOT NULL,
  certified INTEGER NOT NULL,
  compiler TEXT NOT NULL,
  body TEXT NOT NULL,
  checksum TEXT NOT NULL
) STRICT;
INSERT INTO "history" VALUES(1,'4fae5bd3d8ae5ede1a978ee7e090dea7','2026-11-22T01:10:09.8008352Z','added','local',1,'cpu-1','structure 9f3a17c2
shapes m=256,n=3072,k=768
dtypes f32,f32,f32
layouts row,row,row
target x64;avx2;threads=1
compiler cpu-1
policy warm;threads=1
spec matmul m=256 n=3072 k=768
guard align(a,64)
guard contiguous(b)
guard n<=256
milliseconds 1.25
default-milliseconds 3.3333333333333335
samples 1.25 1.375 0.4166666666666667
error-ratio 0.031
certification-ok yes
bit-stable yes
certification-detail 5 inputs, 3 runs
utc 2026-03-04T05:06:07.8900000Z
machine 2-core Zen 3
seed 7
budget 30s
candidates-tried 412
stop-reason plateau
runtime 10.0.1
tool 0.1.0
trace
  | split i 6 guard
  | reorder i.0 j.0 k i.1 j.1
  | vectorize j.1
','d274c7dec563d3825dcf91f8a6b861bc5aa4d542b744d7c978e7f657362b34b2');
CREATE TABLE keys (
  key_hash TEXT PRIMARY KEY,
  compiler TEXT NOT NULL,
  body TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "keys" VALUES('4fae5bd3d8ae5ede1a978ee7e090dea7','cpu-1','structure 9f3a17c2
shapes m=256,n=3072,k=768
dtypes f32,f32,f32
layouts row,row,row
target x64;avx2;threads=1
compiler cpu-1
policy warm;threads=1
');
CREATE TABLE records (
  id INTEGER PRIMARY KEY,
  key_hash TEXT NOT NULL,
  certified INTEGER NOT NULL CHECK (certified IN (0, 1)),
  family_hash TEXT NOT NULL,
  structure TEXT NOT NULL,
  shapes TEXT NOT NULL,
  dtypes TEXT NOT NULL,
  layouts TEXT NOT NULL,
  target TEXT NOT NULL,
  compiler TEXT NOT NULL,
  policy TEXT NOT NULL,
  spec TEXT NOT NULL,
  trace TEXT NOT NULL,
  trace_hash TEXT NOT NULL,
  guards TEXT NOT NULL,
  milliseconds REAL NOT NULL,
  default_milliseconds REAL,
  samples TEXT NOT NULL,
  error_ratio REAL NOT NULL,
  certification_ok INTEGER NOT NULL,
  bit_stable INTEGER NOT NULL,
  certification_detail TEXT NOT NULL,
  utc TEXT NOT NULL,
  machine TEXT NOT NULL,
  seed INTEGER NOT NULL,
  budget TEXT NOT NULL,
  candidates_tried INTEGER NOT NULL,
  stop_reason TEXT NOT NULL,
  runtime TEXT NOT NULL,
  tool TEXT NOT NULL,
  origin TEXT NOT NULL,
  checksum TEXT NOT NULL
) STRICT;
INSERT INTO "records" VALUES(1,'4fae5bd3d8ae5ede1a978ee7e090dea7',1,'ae44dd8cba6ac55bc38d722029ce3be8','9f3a17c2','m=256,n=3072,k=768','f32,f32,f32','row,row,row','x64;avx2;threads=1','cpu-1','warm;threads=1','matmul m=256 n=3072 k=768','split i 6 guard
reorder i.0 j.0 k i.1 j.1
vectorize j.1','a3f965d4f7ee8ea40b353d565b2ccb12','align(a,64)
contiguous(b)
n<=256',1.25,3.33333333333333348136e+00,'1.25 1.375 0.4166666666666667',0.031,1,1,'5 inputs, 3 runs','2026-03-04T05:06:07.8900000Z','2-core Zen 3',7,'30s',412,'plateau','10.0.1','0.1.0','local','3a9b2da490466a0d31e0761d636da5c297657e8b5a43dbc88bbc2ea7c70a7aa6');
CREATE UNIQUE INDEX records_place ON records (key_hash, certified);
CREATE INDEX records_family ON records (family_hash, certified);
CREATE INDEX history_key ON history (key_hash);
CREATE INDEX candidates_key ON candidates (key_hash);
COMMIT;
PRAGMA application_id=1349076850;
PRAGMA user_version=1;
