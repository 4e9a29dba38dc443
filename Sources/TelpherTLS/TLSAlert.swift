/// Why a peer has ended a connection: an alert of TLS (RFC 8446, section 6.2).
package enum TLSAlert: Sendable, Equatable {
  /// The peer wants a certificate.
  case certificateRequired
  /// It knows no authority that has signed the certificate.
  case unknownAuthority
  /// The certificate is not valid any more, or not yet.
  case certificateExpired
  /// The certificate was revoked.
  case certificateRevoked
  /// Something else is wrong with the certificate.
  case badCertificate
  /// The peer takes no connection from here. A server sends it, without encryption, to an address from
  /// which too many connections have failed to authenticate.
  case accessDenied
  /// Another alert, by its number.
  case other(UInt8)

  /// The alert with this number.
  init(_ number: UInt8) {
    self =
      switch number {
      case 116: .certificateRequired
      case 48: .unknownAuthority
      case 45: .certificateExpired
      case 44: .certificateRevoked
      case 42, 43, 46: .badCertificate
      case Self.accessDeniedNumber: .accessDenied
      default: .other(number)
      }
  }

  private static let accessDeniedNumber: UInt8 = 49

  /// A record with the alert `access_denied`, which a server sends before the handshake: content type 21,
  /// version 3.3, length 2, level fatal, the alert.
  package static let accessDeniedRecord: [UInt8] = [21, 3, 3, 0, 2, 2, accessDeniedNumber]
}
