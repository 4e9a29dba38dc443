import TelpherWire
import Testing

/// The JSON of every record of channel 5, as on the wire since the protocol's first version.
@Suite struct TreeRecordTests {
  @Test(arguments: [
    #"{"entry":{"kind":"directory","mode":493,"mtime_ns":1767225600000000001,"path":"a"}}"#,
    #"{"entry":{"digest":"ab","kind":"file","mode":420,"mtime_ns":-1,"path":"a/b","size":7}}"#,
    #"{"entry":{"kind":"symlink","link":{"base64":"/w=="},"path":{"base64":"/w=="}}}"#,
    #"{"entry":{"kind":"other","path":""}}"#,
    #"{"files":{"in":"a/b","mode":420,"mtimes_ns":[3,4],"names":["x","y"],"sizes":[1,2]}}"#,
    #"{"file":7}"#,
    #"{"data":4096,"file":7}"#,
    #"{"file":7,"hole":65536}"#,
    #"{"file":7,"start":1048576}"#,
    #"{"data":3,"file":7,"hole":2,"start":0}"#,
    #"{"digest":"ab","file":7}"#,
    #"{"data":4096,"digest":"ab","file":7,"start":0}"#,
    #"{"data":4,"digest":"ab","file":7,"mode":420,"mtime_ns":-170141183460469231731687303715884105728,"size":4}"#,
    #"{"digest":"ab","file":7,"size":9}"#,
    #"{"change":"grew","digest":"ab","file":7}"#,
    #"{"change":"reread","digest":"ab","file":7,"mode":0,"mtime_ns":5,"size":0}"#,
    #"{"file":7,"whole":[]}"#,
    #"{"file":7,"whole":["ab","cd"]}"#,
    #"{"failed":"why","file":7}"#,
    #"{"data":4096,"failed":"why","file":7,"path":"a/b"}"#,
    #"{"failed":"why","file":-1,"path":{"base64":"/w=="}}"#,
    #"{"leave":3}"#,
    #"{"complete":{"entries":{"files":9,"folders":2,"links":0},"unsent":1}}"#,
    #"{"count":3,"want":5}"#,
    #"{"offset":9,"prefix_digest":"ab","want":5}"#,
    #"{"count":2,"reason":"unchanged","skip":8}"#,
    #"{"count":1,"reason":"not_newer","skip":8}"#,
    #"{"count":1,"reason":"exists","skip":8}"#,
    #"{"count":3,"stored":5}"#,
    #"{"settled":{"bytes":5,"changed":1,"failed":{"files":1,"folders":0,"links":0},"skipped":{"files":0,"folders":2,"links":0},"stored":{"files":7,"folders":2,"links":3},"unsent":1}}"#,
    #"{}"#,
  ]) func `The JSON of a record stays the same`(json: String) throws {
    let records = try TreeRecord.decode(lines: Array("\(json)\n".utf8))
    #expect(records.count == 1)
    #expect(records.map { String(decoding: $0.encoded(), as: UTF8.self) } == ["\(json)\n"])
  }

  /// Later versions may add keys to a record.
  @Test(arguments: [
    (#"{"file":7,"data":1,"color":"red"}"#, #"{"data":1,"file":7}"#),
    (#"{"leave":3,"later":{"a":[1]}}"#, #"{"leave":3}"#),
    (#"{"want":1,"count":2,"when":null}"#, #"{"count":2,"want":1}"#),
    (
      #"{"entry":{"path":"a","kind":"file","color":1},"color":2}"#,
      #"{"entry":{"kind":"file","path":"a"}}"#
    ),
    (#"{"file":null,"stored":1,"count":2}"#, #"{"count":2,"stored":1}"#),
    (#"{"file":7,"data":null}"#, #"{"file":7}"#),
    (#"{"color":"red"}"#, "{}"),
    (#" { "leave" : 3 } "#, #"{"leave":3}"#),
  ]) func `Unknown keys and null are ignored`(json: String, same: String) throws {
    let records = try TreeRecord.decode(lines: Array("\(json)\n".utf8))
    #expect(records.map { String(decoding: $0.encoded(), as: UTF8.self) } == ["\(same)\n"])
  }

  /// A count of 1 is the default.
  @Test(arguments: [
    (#"{"want":5}"#, #"{"count":1,"want":5}"#),
    (#"{"stored":5}"#, #"{"count":1,"stored":5}"#),
    (#"{"skip":8}"#, #"{"count":1,"reason":"unchanged","skip":8}"#),
    (#"{"offset":9,"want":5}"#, #"{"offset":9,"prefix_digest":"","want":5}"#),
  ]) func `Missing keys have defaults`(json: String, same: String) throws {
    let records = try TreeRecord.decode(lines: Array("\(json)\n".utf8))
    #expect(records.map { String(decoding: $0.encoded(), as: UTF8.self) } == ["\(same)\n"])
  }

  @Test(arguments: [
    ("x", "not valid JSON"),
    ("[]", "a value has the wrong type at 'Index 0'"),
    (#"{"entry":null}"#, "a value has the wrong type at 'Index 0.entry'"),
    (#"{"entry":{"kind":"file"}}"#, "the key 'path' is missing at 'Index 0.entry'"),
    (
      #"{"entry":{"kind":"pipe","path":"a"}}"#,
      "a value can't be used at 'Index 0.entry.kind': Cannot initialize Kind from invalid String value pipe"
    ),
    (#"{"files":{}}"#, "the key 'in' is missing at 'Index 0.files'"),
    (#"{"file":"7"}"#, "a value has the wrong type at 'Index 0.file'"),
    (
      #"{"file":1.5}"#,
      "a value can't be used at 'Index 0.file': 1.5 is not a whole number between -9223372036854775808 and 9223372036854775807"
    ),
    (#"{"file":7,"data":"x"}"#, "a value has the wrong type at 'Index 0.data'"),
    (
      #"{"file":7,"data":9223372036854775808}"#,
      "a value can't be used at 'Index 0.data': 9223372036854775808 is not a whole number between -9223372036854775808 and 9223372036854775807"
    ),
    (#"{"file":7,"hole":{}}"#, "a value has the wrong type at 'Index 0.hole'"),
    (#"{"file":7,"start":true}"#, "a value has the wrong type at 'Index 0.start'"),
    (#"{"file":7,"digest":5}"#, "a value has the wrong type at 'Index 0.digest'"),
    (
      #"{"file":7,"digest":"ab","mode":-1}"#,
      "a value can't be used at 'Index 0.mode': -1 is not a whole number between 0 and 4294967295"
    ),
    (#"{"file":7,"digest":"ab","size":"1"}"#, "a value has the wrong type at 'Index 0.size'"),
    (
      #"{"file":7,"digest":"ab","mtime_ns":"1"}"#,
      "a value has the wrong type at 'Index 0.mtime_ns'"
    ),
    (
      #"{"file":7,"digest":"ab","change":"shrank"}"#,
      "a value can't be used at 'Index 0.change': Cannot initialize FileChange from invalid String value shrank"
    ),
    (#"{"file":7,"whole":"ab"}"#, "a value has the wrong type at 'Index 0.whole'"),
    (#"{"file":7,"whole":[1]}"#, "a value has the wrong type at 'Index 0.whole.Index 0'"),
    (#"{"file":7,"failed":1}"#, "a value has the wrong type at 'Index 0.failed'"),
    (#"{"file":7,"failed":"why","path":5}"#, "a value has the wrong type at 'Index 0.path'"),
    (#"{"file":7,"failed":"why","digest":5}"#, "a value has the wrong type at 'Index 0.digest'"),
    (#"{"leave":"3"}"#, "a value has the wrong type at 'Index 0.leave'"),
    (
      #"{"complete":{"entries":{"files":1}}}"#,
      "the key 'folders' is missing at 'Index 0.complete.entries'"
    ),
    (#"{"want":"5"}"#, "a value has the wrong type at 'Index 0.want'"),
    (#"{"want":5,"count":"3"}"#, "a value has the wrong type at 'Index 0.count'"),
    (#"{"want":5,"offset":"9"}"#, "a value has the wrong type at 'Index 0.offset'"),
    (
      #"{"want":5,"offset":9,"prefix_digest":9}"#,
      "a value has the wrong type at 'Index 0.prefix_digest'"
    ),
    (
      #"{"skip":8,"reason":"tired"}"#,
      "a value can't be used at 'Index 0.reason': Cannot initialize SkipReason from invalid String value tired"
    ),
    (#"{"stored":[5]}"#, "a value has the wrong type at 'Index 0.stored'"),
    (#"{"settled":{}}"#, "the key 'unsent' is missing at 'Index 0.settled'"),
  ]) func `A malformed record is refused with the reason`(json: String, message: String) {
    let error = #expect(throws: WireError.self) {
      try TreeRecord.decode(lines: Array("\(json)\n".utf8))
    }
    #expect(error?.code == .protocolError)
    #expect(error?.message == "a record of channel 5: \(message)")
  }
}
