import TelpherTestSupport
import Testing

@testable import TelpherWire

/// The opening with a verifier of signatures instead of, or besides, a prover.
struct SessionSignaturesTests {
  /// Accepts one text, and counts how often it is asked.
  final class OneText: SignatureVerifier {
    var calls = 0

    func accepts(_ signatures: [String], of user: String?) -> Bool {
      calls += 1
      return signatures == ["right"]
    }
  }

  private static let right = #"{"version":1,"auth":{"signatures":["right"]}}"#
  private static let wrong = #"{"version":1,"auth":{"signatures":["wrong"]}}"#

  private func server(
    _ verifier: OneText, prover: (any ConnectionProver)? = nil
  ) -> End {
    let hello = Hello(
      auth: prover == nil ? nil : Hello.Auth(nonce: String(repeating: "0a", count: 32)))
    return End(.server, hello, announces: false, prover: prover, verifier: verifier)
  }

  @Test func `A client whose signatures are accepted needs nothing else`() throws {
    let verifier = OneText()
    for prover in [nil, SumProver()] {
      let server = server(verifier, prover: prover)
      let seen = try server.receive(preface + helloFrame(Self.right) + openRun(1))
      #expect(seen.count == 2)
      #expect(server.openStreams == 1)
    }
    #expect(verifier.calls == 2)
  }

  @Test func `Signatures that are not accepted end the connection before anything is sent`() {
    let verifier = OneText()
    for prover in [nil, SumProver()] {
      let server = server(verifier, prover: prover)
      #expect(
        server.refusal(of: preface + helloFrame(Self.wrong) + openRun(1)) == .notAuthenticated)
      #expect(server.openStreams == 0)
      #expect(server.takeOutput().isEmpty)
    }
  }

  @Test(arguments: [#"{"version":1}"#, #"{"version":1,"auth":{}}"#])
  func `A client without signatures is refused if there is no other proof`(json: String) {
    let verifier = OneText()
    #expect(server(verifier).refusal(of: preface + helloFrame(json)) == .notAuthenticated)
    #expect(
      server(verifier, prover: SumProver()).refusal(of: preface + helloFrame(json))
        == .notAuthenticated)
    #expect(verifier.calls == 0)
  }

  @Test func `A second HELLO is refused and its signatures are not looked at`() throws {
    let verifier = OneText()
    let server = server(verifier)
    _ = try server.receive(preface + helloFrame(Self.right))
    #expect(server.refusal(of: helloFrame(Self.right)) == .protocolError)
    #expect(verifier.calls == 1)
  }
}
