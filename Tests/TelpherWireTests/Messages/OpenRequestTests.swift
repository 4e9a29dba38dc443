import TelpherText
import Testing

@testable import TelpherWire

@Suite struct OpenRequestTests {
  static func run(_ keys: String) throws -> RunRequest {
    guard case .run(let request) = try OpenRequest.decode(Array(#"{"op":"run",\#(keys)}"#.utf8))
    else { throw WireError(.internalError, "not a run") }
    return request
  }
  static func isRefused(_ keys: String) -> Bool { (try? run(keys)) == nil }

  @Test func `Every key of a command is decoded`() throws {
    let request = try Self.run(
      """
      "argv":["a",""],"cwd":"/","env":{"A":"1","B":null},"deadline_ms":1,"grace_ms":0,\
      "drain_ms":-1,"end_left_behind":true,"merge":true,"limits":{"cpu_s":3},"on_disconnect":"keep",\
      "job":"0123456789abcdef0123456789abcdef"
      """)
    #expect(request.argv == ["a", ""])
    #expect(request.cwd == "/")
    #expect(request.env == ["A": "1", "B": nil])
    #expect(request.deadlineMS == 1)
    #expect(request.graceMS == 0)
    #expect(request.drainMS == -1)
    #expect(request.endsLeftBehind == true)
    #expect(request.merge == true)
    #expect(request.limits == ["cpu_s": 3])
    #expect(request.onDisconnect == .keep)
    #expect(request.job == "0123456789abcdef0123456789abcdef")
  }

  @Test func `An encoded request decodes to the same`() throws {
    var request = RunRequest()
    request.shell = "echo \"ä/\u{7F}\" | wc"
    request.env = ["A": "", "B": nil]
    request.limits = ["memory_bytes": .max]
    #expect(try OpenRequest.decode(OpenRequest.run(request).encoded()) == .run(request))
    #expect(try OpenRequest.decode(OpenRequest.info.encoded()) == .info)
  }

  @Test func `Arguments, folder and values of variables may be any bytes`() throws {
    let request = try Self.run(
      #""argv":["a",{"base64":"/w=="}],"cwd":{"base64":"L/8="},"env":{"A":{"base64":"/g=="}}"#)
    #expect(request.argv == ["a", ByteText([0xFF])])
    #expect(request.cwd == ByteText([0x2F, 0xFF]))
    #expect(request.env == ["A": ByteText([0xFE])])
    #expect(try OpenRequest.decode(OpenRequest.run(request).encoded()) == .run(request))
    let line = try Self.run(#""shell":{"base64":"/w=="}"#)
    #expect(line.shell == ByteText([0xFF]))
  }

  @Test func `A null in the environment removes a variable instead of emptying it`() throws {
    let env = try #require(try Self.run(#""shell":"x","env":{"A":null,"B":""}"#).env)
    #expect(env.keys.sorted() == ["A", "B"])
    #expect(env["A"] == .some(nil))
    #expect(env["B"] == "")
  }

  @Test(arguments: [
    #""cwd":"/""#, #""argv":["a"],"shell":"b""#, #""argv":[]"#, #""argv":"ls""#, #""argv":[1]"#,
    #""argv":[null]"#, #""argv":["a"],"env":{"A":1}"#, #""argv":["a"],"env":{"":"x"}"#,
    #""argv":["a"],"env":{"A=B":"x"}"#, #""argv":["a"],"env":["A=B"]"#,
    #""argv":["a"],"merge":1"#, #""argv":["a"],"limits":{"cpu_s":-1}"#,
    #""argv":["a"],"limits":{"luck":1}"#, #""argv":["a"],"on_disconnect":"pray""#,
    #""argv":["a"],"on_disconnect":"keep""#, #""shell":null"#,
  ])
  func `An invalid command is refused`(keys: String) {
    #expect(Self.isRefused(keys))
  }

  @Test(arguments: [
    #""argv":["a\u0000b"]"#, #""shell":"\u0000""#, #""argv":["a"],"cwd":"\u0000""#,
    #""argv":["a"],"env":{"A":"\u0000"}"#, #""argv":["a"],"env":{"A\u0000":"x"}"#,
    #""argv":["a"],"env":{"A\u0000":null}"#, #""argv":[{"base64":"YQBi"}]"#,
    #""argv":["a"],"cwd":{"base64":"AA=="}"#, #""argv":["a"],"env":{"A":{"base64":"AA=="}}"#,
    #""shell":{"base64":"AA=="}"#,
  ])
  func `A NUL byte is refused, because C would end the string there`(keys: String) {
    #expect(Self.isRefused(keys))
  }

  @Test func `What is left behind ends at the deadline, so there must be one`() {
    #expect(Self.isRefused(#""argv":["a"],"end_left_behind":true"#))
    #expect(!Self.isRefused(#""argv":["a"],"end_left_behind":false"#))
  }

  @Test(arguments: ["deadline_ms", "grace_ms", "drain_ms"])
  func `Times have bounds`(key: String) {
    #expect(!Self.isRefused(#""argv":["a"],"\#(key)":0"#))
    #expect(!Self.isRefused(#""argv":["a"],"\#(key)":604800000"#))
    #expect(Self.isRefused(#""argv":["a"],"\#(key)":604800001"#))
    #expect(Self.isRefused(#""argv":["a"],"\#(key)":9223372036854775807"#))
    #expect(Self.isRefused(#""argv":["a"],"\#(key)":1e300"#))
    #expect(Self.isRefused(#""argv":["a"],"\#(key)":1.5"#))
    #expect(Self.isRefused(#""argv":["a"],"\#(key)":-1"#) == (key != "drain_ms"))
    #expect(Self.isRefused(#""argv":["a"],"\#(key)":-2"#))
  }

  @Test(arguments: [
    "", "0", String(repeating: "0", count: 31), String(repeating: "0", count: 33),
    String(repeating: "g", count: 32), String(repeating: "A", count: 32),
    String(repeating: "é", count: 16),
  ])
  func `A job is 32 lowercase hexadecimal digits`(job: String) {
    #expect(Self.isRefused(#""argv":["a"],"job":"\#(job)""#))
  }

  @Test func `An unknown operation is refused with its name`() {
    #expect(throws: WireError.self) { try OpenRequest.decode(Array(#"{"op":"fly"}"#.utf8)) }
    #expect(throws: WireError.self) { try OpenRequest.decode(Array(#"{"argv":["a"]}"#.utf8)) }
  }

  @Test func `A command longer than an OPEN is refused before it is sent`() throws {
    var request = RunRequest()
    request.argv = ["a", ByteText(String(repeating: "x", count: 8 << 20))]
    let error = #expect(throws: WireError.self) { try OpenRequest.run(request).encoded() }
    #expect(error?.code == .frameTooLarge)
  }

  @Test(arguments: [UInt8(ascii: "x"), 1, UInt8(ascii: "\""), 0xC3, 0xFF])
  func `The most arguments that Linux allows fit into an OPEN`(byte: UInt8) throws {
    var request = RunRequest()
    // 2 MiB in strings of 128 KiB, the longest that Linux accepts.
    request.argv = Array(repeating: ByteText([UInt8](repeating: byte, count: 131_071)), count: 16)
    let bytes = try OpenRequest.run(request).encoded()
    #expect(bytes.count <= 4_300_000)
    #expect(try OpenRequest.decode(bytes) == .run(request))
  }

  @Test func `More values than Linux allows arguments are refused before parsing`() throws {
    func isRefused(_ count: Int) -> Bool {
      Self.isRefused(#""argv":["a"\#(String(repeating: #","""#, count: count))]"#)
    }
    #expect(!isRefused(233_016))
    #expect(isRefused(262_145))
  }
}
