import TelpherTransport
import Testing

@testable import TelpherClassic

struct LoopbackPeerTests {
  /// The kernel's table for a client at port 0xE266 and a server at port 0xE999.
  private func table(_ clientInode: Int, unread: String) -> String {
    """
      sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
       0: 0100007F:E999 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 199219 1
       2: 0100007F:E266 0100007F:E999 05 00000000:\(unread) 00:00000000 00000000   0        0 \(clientInode) 2
       3: 0100007F:E999 0100007F:E266 08 00000002:00000006 00:00000000 00000000     0        0 199221 1
    """
  }

  @Test func aPeerIsOpenWhileAProcessHasItsSocket() {
    let ports = TCPPorts(own: 0xE999, peer: 0xE266)
    #expect(LoopbackPeer(of: ports, in: table(199_220, unread: "00000000"))?.isOpen == true)
    #expect(LoopbackPeer(of: ports, in: table(0, unread: "00000000"))?.isOpen == false)
  }

  @Test func unreadBytesCountBothQueues() {
    let ports = TCPPorts(own: 0xE999, peer: 0xE266)
    #expect(LoopbackPeer(of: ports, in: table(1, unread: "0000000A"))?.unreadBytes == 12)
    let other = TCPPorts(own: 0xE266, peer: 0xE999)
    #expect(LoopbackPeer(of: other, in: table(1, unread: "0000000A"))?.unreadBytes == 6)
  }

  @Test func anUnknownConnectionHasNoPeer() {
    let ports = TCPPorts(own: 1, peer: 2)
    #expect(LoopbackPeer(of: ports, in: table(1, unread: "00000000")) == nil)
    #expect(LoopbackPeer(of: ports, in: "") == nil)
  }
}
