import TelpherAccess
import TelpherTestSupport
import TelpherTransport
import TelpherWire

/// The nonce of the tests' clients.
let nonce = String(repeating: "5a", count: 32)
/// A HELLO with a nonce.
let provingHello = #"{"version":1,"auth":{"nonce":"\#(nonce)"}}"#

extension RawPeer {
  /// Waits for the server's HELLO and AUTH, and returns the bytes that the proofs cover. The
  /// client's HELLO must have been sent.
  func transcript() async throws -> [UInt8] {
    let theirs = try await frame(1).payload
    try await frame(11)
    let mine = Array(provingHello.utf8)
    return big(UInt32(mine.count)) + mine + big(UInt32(theirs.count)) + theirs
  }

  /// Sends HELLO, checks the server's proof and sends the client's own.
  ///
  /// - Returns: the AUTH that was sent.
  @discardableResult
  func prove(_ token: Token, at address: SocketAddress) async throws -> [UInt8] {
    send(hello(provingHello))
    let transcript = try await transcript()
    let prover = TokenProver(token, at: address)
    guard prover.accepts(try await frame(11).payload, of: .server, over: transcript) else {
      throw Missing(description: "the server's proof is wrong")
    }
    let auth = RawFrame(type: 11, payload: prover.proof(of: .client, over: transcript)).bytes
    send(auth)
    return auth
  }
}
