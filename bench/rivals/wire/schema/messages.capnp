# What is measured, for Cap'n Proto: as messages.proto.
@0xe2a1c3b45d6f7081;

struct Log { records @0 :List(Record); }

struct Record {
  address @0 :Address;
  identity @1 :Text;
  userid @2 :Text;
  date @3 :Text;
  request @4 :Text;
  code @5 :UInt16;
  size @6 :UInt64;
}

struct Address { x0 @0 :UInt8; x1 @1 :UInt8; x2 @2 :UInt8; x3 @3 :UInt8; }

struct Mesh { triangles @0 :List(Triangle); }

struct Triangle { a @0 :Point; b @1 :Point; c @2 :Point; normal @3 :Point; }

struct Point { x @0 :Float32; y @1 :Float32; z @2 :Float32; }

struct Coordinates { numbers @0 :List(Float32); }

struct Values { values @0 :List(Data); }

struct Pair { key @0 :Data; value @1 :Data; }

struct Blob { data @0 :Data; }

struct Row {
  f0 @0 :Data;
  f1 @1 :Data;
  f2 @2 :Data;
  f3 @3 :Data;
  f4 @4 :Data;
  f5 @5 :Data;
  f6 @6 :Data;
  f7 @7 :Data;
  f8 @8 :Data;
  f9 @9 :Data;
}
