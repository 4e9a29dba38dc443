import TelpherWire
import Testing

@Suite struct SocketRequestTests {
  private func decode(_ json: String) throws -> OpenRequest {
    try OpenRequest.decode(Array(json.utf8))
  }

  @Test(arguments: [
    SocketRequest(.connect, address: "tcp:db:5432"), SocketRequest(.listen, address: "unix:/a"),
    SocketRequest(accept: String(repeating: "a", count: 32)),
  ])
  func aRequestSurvivesEncoding(_ request: SocketRequest) throws {
    let bytes = try OpenRequest.socket(request).encoded()
    #expect(try OpenRequest.decode(bytes) == .socket(request))
  }

  @Test func theKeysAreThoseOfTheDocumentation() throws {
    #expect(
      try decode(#"{"op":"connect","address":"tcp:db:5432"}"#)
        == .socket(SocketRequest(.connect, address: "tcp:db:5432")))
    #expect(
      try decode(#"{"op":"accept","connection":"x","must":["connection"]}"#)
        == .socket(SocketRequest(accept: "x")))
  }

  @Test(arguments: [
    (#"{"op":"connect"}"#, "connect: 'address' is missing"),
    (#"{"op":"listen","connection":"x"}"#, "listen: 'address' is missing"),
    (#"{"op":"accept","address":"x"}"#, "accept: 'connection' is missing"),
    (#"{"op":"connect","address":5}"#, "wrong type"),
    (#"{"op":"bind","address":"x"}"#, "no operation 'bind'"),
  ])
  func aWrongRequestIsRefused(_ json: String, _ reason: String) throws {
    let error = #expect(throws: WireError.self) { try decode(json) }
    #expect(error?.message.contains(reason) == true, "\(String(describing: error))")
  }

  @Test func anAddressHasALimitedLength() throws {
    let longest = String(repeating: "a", count: SocketRequest.maxAddressLength)
    _ = try decode(#"{"op":"connect","address":"\#(longest)"}"#)
    #expect(throws: WireError.self) { try decode(#"{"op":"connect","address":"\#(longest)a"}"#) }
  }

  @Test func theServersMessagesSurviveEncoding() throws {
    let messages: [ControlMessage] = [
      .opened(.socket(address: "tcp:[::1]:80")),
      .accepted(.init(connection: "ab", peer: "tcp:127.0.0.1:5")),
    ]
    #expect(try ControlMessage.decode(ControlMessage.encode(messages)) == messages)
    let text = String(decoding: ControlMessage.encode(messages), as: UTF8.self)
    #expect(
      text
        == #"{"accepted":{"connection":"ab","peer":"tcp:127.0.0.1:5"},"opened":{"address":"tcp:[::1]:80"}}"#
    )
  }
}
