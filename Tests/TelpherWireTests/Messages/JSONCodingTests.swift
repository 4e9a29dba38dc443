import TelpherText
import Testing

@testable import TelpherWire

@Suite struct JSONCodingTests {
  static func refusal(_ bytes: [UInt8]) -> WireError? {
    do throws(WireError) {
      _ = try OpenRequest.decode(bytes)
      return nil
    } catch {
      return error
    }
  }
  static func refusal(_ json: String) -> WireError? { refusal(Array(json.utf8)) }

  @Test(arguments: [
    "", " ", "{", "}", #"{"op"}"#, #"{"op":"info"}{"#, #""info""#, "17",
    "[1]", "null", "\u{FEFF}", #"{'op':'info'}"#, "nan",
  ])
  func `JSON of the wrong shape is refused`(json: String) {
    #expect(Self.refusal(json)?.code == .protocolError)
  }

  @Test(arguments: ["]", "[", "{\"a\":", "}"])
  func `Deep nesting is refused before it is parsed`(piece: String) {
    #expect(Self.refusal(String(repeating: piece, count: 60_000 / piece.utf8.count)) != nil)
  }

  @Test func `Sixteen levels are accepted and seventeen are not`() {
    func nested(_ levels: Int) -> String {
      let inner = levels - 1
      return #"{"op":"info","x":"# + String(repeating: "[", count: inner)
        + String(repeating: "]", count: inner) + "}"
    }
    #expect(Self.refusal(nested(16)) == nil)
    #expect(Self.refusal(nested(17)) != nil)
  }

  @Test func `Brackets in strings don't count`() {
    let text = String(repeating: #"[{\""#, count: 1_000)
    #expect(Self.refusal(#"{"op":"run","argv":["\#(text)"]}"#) == nil)
  }

  @Test func `Unknown keys are ignored`() throws {
    let json = #"{"op":"info","later":{"a":[1,2,{"b":null}]}}"#
    #expect(try OpenRequest.decode(Array(json.utf8)) == .info)
  }

  @Test func `An unknown key that must be understood is refused by name`() {
    let error = Self.refusal(#"{"op":"info","must":["op","later"],"later":1}"#)
    #expect(error?.message.contains("later") == true)
  }

  @Test func `Known keys may be named in must`() {
    let json = #"{"op":"run","argv":["a"],"merge":true,"must":["merge","argv","op","must"]}"#
    #expect(Self.refusal(json) == nil)
  }

  @Test(arguments: [[UInt8(0xFF)], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xE2, 0x82]])
  func `Bytes that are not UTF-8 are refused, even in ignored values`(bytes: [UInt8]) {
    let used = Array(#"{"op":"run","argv":["a"#.utf8) + bytes + Array(#""]}"#.utf8)
    let ignored = Array(#"{"op":"info","later":""#.utf8) + bytes + Array(#""}"#.utf8)
    #expect(Self.refusal(used)?.code == .protocolError)
    #expect(Self.refusal(ignored)?.code == .protocolError)
  }

  /// A parser that guesses the encoding would accept these, and the check of the depth would miss
  /// them.
  @Test func `UTF-16 and UTF-32 are refused`() {
    let text = #"{"op":"info"}"#
    let wide: [UInt8] = text.utf8.flatMap { [$0, 0] }
    let wider: [UInt8] = text.utf8.flatMap { [$0, 0, 0, 0] }
    #expect(Self.refusal(wide)?.code == .protocolError)
    #expect(Self.refusal([0xFF, 0xFE] + wide)?.code == .protocolError)
    #expect(Self.refusal(wider)?.code == .protocolError)
  }

  @Test(arguments: [
    #"{"op":"\#(String(repeating: "x", count: 60_000))"}"#,
    #"{"op":"info","must":["\#(String(repeating: "x", count: 60_000))"]}"#,
    #"{"op":"run","argv":["a"],"env":{"=\#(String(repeating: "x", count: 60_000))":"1"}}"#,
    #"{"op":"run","argv":["a"],"env":{"\#(String(repeating: "x", count: 60_000))":1}}"#,
  ])
  func `The peer's input can't make an error message long`(json: String) throws {
    let error = try #require(Self.refusal(json))
    #expect(CloseResult(.refused, message: error.message).encoded().count <= 8_192)
  }

  @Test(arguments: [
    "99999999999999999999", "-99999999999999999999", "1.5", "1e400",
    String(repeating: "9", count: 60_000),
  ])
  func `A number out of range is named with its key`(_ number: String) throws {
    let error = try #require(
      Self.refusal(#"{"op":"run","argv":["a"],"deadline_ms":\#(number)}"#))
    #expect(error.message.contains("'deadline_ms': \(number.prefix(40))"), "\(error)")
    #expect(error.message.contains("is not a whole number between"))
  }

  @Test func `The number of keys of an object is limited`() {
    func run(_ keys: Int) -> String {
      let variables = (0..<keys).map { #""v\#($0)":"x""# }.joined(separator: ",")
      return #"{"op":"run","argv":["a"],"env":{\#(variables)}}"#
    }
    #expect(Self.refusal(run(4_096)) == nil)
    #expect(Self.refusal(run(4_097))?.message == "OPEN: an object has more than 4096 keys")
    #expect(Self.refusal(run(260_000))?.message == "OPEN: an object has more than 4096 keys")
  }

  @Test func `Equal messages have equal bytes`() {
    var request = RunRequest()
    request.argv = ["a/b"]
    request.env = ["B": "2", "A": "1", "C": nil]
    #expect(
      String(decoding: (try? OpenRequest.run(request).encoded()) ?? [], as: UTF8.self)
        == #"{"argv":["a/b"],"env":{"A":"1","B":"2","C":null},"op":"run"}"#)
  }
}
