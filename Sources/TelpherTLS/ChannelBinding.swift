/// A value that only the two ends of one TLS connection know, and that differs for each connection. A
/// proof that covers it is of no use on another connection, so nothing in between can pass it on.
package struct ChannelBinding: Sendable, Equatable {
  /// The label from which the value is derived (RFC 8446, 7.5).
  package static let label = "EXPORTER-telpher-auth-v1"
  /// The length in bytes.
  package static let length = 32

  /// The value.
  package let bytes: [UInt8]
}

extension TLSStream {
  /// The binding of this connection; nil before the end of the handshake and after the end of the
  /// connection.
  package var channelBinding: ChannelBinding? {
    exportKeyingMaterial(label: ChannelBinding.label, length: ChannelBinding.length)
      .map(ChannelBinding.init)
  }
}
