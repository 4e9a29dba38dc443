import Testing

@testable import TelpherClassic

struct FirstBytesTests {
  private func verdict(_ bytes: [UInt8]) -> FirstBytes.Verdict {
    var first = FirstBytes()
    return first.receive(bytes)
  }

  private func verdict(_ text: String) -> FirstBytes.Verdict { verdict(Array(text.utf8)) }

  @Test(arguments: [
    "GET /;touch$IFS/tmp/x; HTTP/1.1\r\nHost: a\r\n\r\n", "GET /", "GET  http://a/ HTTP/1.0",
    "HTTP/1.1 200 OK\r\n\r\ntouch x", "HEAD / HTTP/1.1\r\n", "OPTIONS * HTTP/1.1\r\n",
    "CONNECT a:80 HTTP/1.1\r\n",
    "POST / HTTP/1.1\r\nContent-Type: text/plain\r\n\r\ntouch /tmp/x\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM",
    "\r\n\r\nGET / HTTP/1.1\r\n", "\n \t GET /", "MKCALENDAR /x", "VERSION-CONTROL /x",
    "M-SEARCH * ",
    "UNHEARDOF /;touch$IFS/tmp/x; ", "UNHEARDOF *", "lower /;touch$IFS/tmp/x; HTTP/1.1\r\n",
    "Mixed http://a/ HTTP/1.1", "DESCRIBE rtsp://a/ RTSP/1.0", "x sip:a@b SIP/2.0\r\n", "GET\t/",
    "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n", "USER anonymous\r\n", "EHLO a\r\n",
    "get /x", "Post /;touch$IFS/tmp/x; ", "pUt *",
  ])
  func requestsAreRecognized(_ text: String) {
    #expect(verdict(text) == .foreign("HTTP"))
  }

  @Test(
    arguments: [
      [0x16, 0x03, 0x01, 0x02, 0x00, 0x01], [0x16], [0x16, 0xFE, 0xFD],
      [0x80, 0x2E, 0x01, 0x00, 0x02],
      [0x0A, 0x16, 0x03],
    ] as [[UInt8]])
  func tlsIsRecognized(_ bytes: [UInt8]) {
    #expect(verdict(bytes) == .foreign("TLS"))
  }

  @Test(
    arguments: [
      [0x00, 0x01, 0x00, 0x00, 0x21, 0x12, 0xA4, 0x42], [0x03, 0x00],
      [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51],
    ] as [[UInt8]])
  func binaryProtocolsAreRecognized(_ bytes: [UInt8]) {
    #expect(verdict(bytes) == .foreign("a binary protocol"))
  }

  @Test(arguments: [
    "ls", "ls -l /", "echo GET / HTTP/1.1", "get x", "./GET", "GETS=1 /bin/ls", "A=1 env",
    "head /x", "patch /x", "getent passwd", "g x", "ge\n", "po=1 /bin/ls",
    "X\n", "GET\n/x", "cat /etc/passwd | head", "PATH=/bin ls", "\u{1B}[A", "中文", "a\u{0}b",
    "UNHEARDOF x", "printf 'a/1.0'", "\nls",
  ])
  func commandsAreAccepted(_ text: String) {
    #expect(verdict(text) == .client)
  }

  @Test func commandsInGBKAreAccepted() {
    #expect(verdict([0xD6, 0xD0, 0xCE, 0xC4]) == .client)
  }

  @Test(arguments: [
    "GET /;touch$IFS/tmp/x; HTTP/1.1\r\n", "\r\n\r\nPOST / HTTP/1.1\r\n",
    "UNHEARDOF /x HTTP/1.1\r\n",
    "get /;touch$IFS/tmp/x;",
  ])
  func requestsAreRecognizedInAnyPieces(_ text: String) {
    let bytes = Array(text.utf8)
    for cut in 1..<bytes.count {
      var first = FirstBytes()
      let beginning = first.receive(bytes[..<cut])
      // The verdict on a part of a request must never be `client`: the server would run that part.
      #expect(beginning == .unclear || beginning == .foreign("HTTP"), "cut at \(cut)")
      #expect(first.receive(bytes[cut...]) == .foreign("HTTP"), "cut at \(cut)")
    }
    var first = FirstBytes()
    for byte in bytes { _ = first.receive([byte]) }
    #expect(first.verdict == .foreign("HTTP"))
  }

  @Test func emptyLinesStayUnclear() {
    var first = FirstBytes()
    for _ in 0..<1_000 { #expect(first.receive(Array("\r\n".utf8)) == .unclear) }
    #expect(first.receive(Array("ls".utf8)) == .client)
  }

  @Test func aVerdictIsFinal() {
    var first = FirstBytes()
    #expect(first.receive(Array("ls".utf8)) == .client)
    #expect(first.receive(Array("GET / HTTP/1.1\r\n".utf8)) == .client)
  }
}
