internal import CTelpherSys
internal import Glibc
package import TelpherTransport

extension TCPPorts {
  /// The ports of the socket `descriptor`. Nil if it is not a TCP connection.
  package init?(ofSocket descriptor: Int32) {
    var (own, peer) = (telpher_address(), telpher_address())
    guard telpher_own_address(descriptor, &own) == 0, telpher_peer_address(descriptor, &peer) == 0,
      [AF_INET, AF_INET6].contains(telpher_address_family(&own))
    else { return nil }
    self.init(own: telpher_address_port(&own), peer: telpher_address_port(&peer))
  }
}
