import TelpherWire
import Testing

/// The JSON of every CONTROL, as on the wire since the protocol's first version.
@Suite struct ControlMessageJSONTests {
  @Test(arguments: [
    "{}",
    #"{"signal":15}"#,
    #"{"cancel":true}"#,
    #"{"stop_sending":0}"#,
    #"{"detach":true}"#,
    #"{"resize":{"columns":80,"rows":24}}"#,
    #"{"digest":"ab"}"#,
    #"{"restart":true}"#,
    #"{"opened":{"attached":true,"offsets":{"1":5,"2":18446744073709551615}}}"#,
    #"{"opened":{"committed":9,"prefix_digest":"ab"}}"#,
    #"{"opened":{"mode":420,"mtime_ns":-1,"offset":0,"size":6}}"#,
    #"{"cancel":true,"detach":true,"digest":"ab","opened":{"attached":true,"offsets":{}},"resize":{"columns":80,"rows":24},"restart":true,"signal":15,"stop_sending":2}"#,
  ]) func `The JSON of a message stays the same`(json: String) throws {
    let messages = try ControlMessage.decode(Array(json.utf8))
    #expect(String(decoding: ControlMessage.encode(messages), as: UTF8.self) == json)
  }

  /// Later versions may add keys.
  @Test(arguments: [
    (#"{"signal":15,"color":"red"}"#, #"{"signal":15}"#),
    (#"{"color":{"a":[1]}}"#, "{}"),
    (#"{"signal":null,"cancel":true}"#, #"{"cancel":true}"#),
    (
      #"{"opened":{"attached":true,"offsets":{},"color":1}}"#,
      #"{"opened":{"attached":true,"offsets":{}}}"#
    ),
  ]) func `Unknown keys and null are ignored`(json: String, same: String) throws {
    let messages = try ControlMessage.decode(Array(json.utf8))
    #expect(String(decoding: ControlMessage.encode(messages), as: UTF8.self) == same)
  }

  @Test(arguments: [
    ("x", "not valid JSON"),
    ("[]", "a value has the wrong type"),
    ("5", "a value has the wrong type"),
    (#"{"signal":"TERM"}"#, "a value has the wrong type at 'signal'"),
    (
      #"{"signal":2147483648}"#,
      "a value can't be used at 'signal': 2147483648 is not a whole number between -2147483648 and 2147483647"
    ),
    (#"{"cancel":1}"#, "a value has the wrong type at 'cancel'"),
    (
      #"{"stop_sending":256}"#,
      "a value can't be used at 'stop_sending': 256 is not a whole number between 0 and 255"
    ),
    (#"{"detach":"yes"}"#, "a value has the wrong type at 'detach'"),
    (#"{"resize":{"rows":1}}"#, "the key 'columns' is missing at 'resize'"),
    (
      #"{"resize":{"rows":65536,"columns":1}}"#,
      "a value can't be used at 'resize.rows': 65536 is not a whole number between 0 and 65535"
    ),
    (#"{"digest":7}"#, "a value has the wrong type at 'digest'"),
    (#"{"restart":0}"#, "a value has the wrong type at 'restart'"),
    (#"{"opened":[]}"#, "a value has the wrong type at 'opened'"),
    (#"{"opened":{"attached":1}}"#, "a value has the wrong type at 'opened.attached'"),
    (
      #"{"opened":{"offsets":{"1":-1}}}"#,
      "a value can't be used at 'opened.offsets.1': -1 is not a whole number between 0 and 18446744073709551615"
    ),
    (#"{"opened":{"committed":"9"}}"#, "a value has the wrong type at 'opened.committed'"),
    (
      #"{"opened":{"size":0.5}}"#,
      "a value can't be used at 'opened.size': 0.5 is not a whole number between -9223372036854775808 and 9223372036854775807"
    ),
    (#"{"must":"fly"}"#, "a value has the wrong type at 'must'"),
    (#"{"must":["fly"]}"#, "the key 'fly' must be understood and is not"),
  ]) func `A malformed message is refused with the reason`(json: String, message: String) {
    let error = #expect(throws: WireError.self) { try ControlMessage.decode(Array(json.utf8)) }
    #expect(error?.code == .protocolError)
    #expect(error?.message == "CONTROL: \(message)")
  }
}
