internal import Glibc
internal import TelpherTransport
internal import TelpherWire

/// Who may use this server: decided from what the system says of a peer and from its HELLO, before
/// anything else of the peer is looked at.
struct Access: Sendable {
  /// The token of TCP clients, if they may connect.
  let token: [UInt8]?

  /// Decides about a peer that said `hello`.
  ///
  /// - Throws: `WireError` (`notAuthenticated`) with what the peer can do about it.
  func check(_ peer: PeerIdentity, _ hello: Hello) throws(WireError) {
    switch peer {
    case .inherited: return
    case .user(let uid, _): try check(uid: uid)
    case .network(let address, let isLoopback):
      guard isLoopback else {
        throw WireError(
          .notAuthenticated,
          "connections from \(address) are refused: TCP is not encrypted and serves this machine only; use ssh://HOST instead"
        )
      }
      guard let token else {
        throw WireError(.notAuthenticated, "this server takes no TCP clients")
      }
      guard let shown = hello.auth?.token else {
        throw WireError(
          .notAuthenticated,
          "a TCP client must show the server's token: pass its file with --token-file")
      }
      guard Self.isEqual(Self.bytes(hexadecimal: shown) ?? [], token) else {
        throw WireError(.notAuthenticated, "the token is not this server's")
      }
    }
  }

  /// Whether the system alone says that `peer` may use this server, whatever its HELLO will be.
  func isKnown(_ peer: PeerIdentity) -> Bool {
    switch peer {
    case .inherited: true
    case .user(let uid, _): (try? check(uid: uid)) != nil
    case .network: false
    }
  }

  private func check(uid: UInt32) throws(WireError) {
    guard uid == geteuid() || uid == 0 else {
      throw WireError(
        .notAuthenticated,
        "user \(uid) may not use this server, which belongs to user \(geteuid())")
    }
  }

  /// Compares in a time that doesn't depend on where the bytes differ.
  static func isEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    guard a.count == b.count else { return false }
    var difference: UInt8 = 0
    for index in a.indices { difference |= a[index] ^ b[index] }
    return difference == 0
  }

  /// The bytes that hexadecimal `text` stands for; nil where it is none.
  static func bytes(hexadecimal text: String) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard digits.count % 2 == 0 else { return nil }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: digits.count, by: 2) {
      let pair = String(decoding: digits[index...(index + 1)], as: UTF8.self)
      guard let byte = UInt8(pair, radix: 16), !pair.contains("+") else { return nil }
      bytes.append(byte)
    }
    return bytes
  }
}
