import TelpherNIO
import TelpherTransport
import Testing

@Suite(.timeLimit(.minutes(5))) struct DatagramTests {
  /// NIO closes a channel when a send fails.
  @Test func aSocketStillWorksAfterARefusedSend() async throws {
    try await withLoop { loop in
      let (error, text): (TransportError?, String) = await loop.run { done in
        let here = DatagramAddress(host: "127.0.0.1", port: 0)
        var refusal: TransportError?
        var sockets: [any DatagramSocket] = []
        do {
          let receiver = try loop.openDatagramSocket(at: here) { payload, _ in
            done((refusal, String(decoding: Array(payload), as: UTF8.self)))
            for socket in sockets { socket.close() }
          }
          let any = DatagramAddress(host: "0.0.0.0", port: 0)
          let sender = try loop.openDatagramSocket(at: any) { _, _ in }
          sockets = [receiver, sender]
          do {
            // The system refuses a broadcast from a socket without SO_BROADCAST.
            try sender.send(Chunk("x"), to: DatagramAddress(host: "255.255.255.255", port: 9))
          } catch let refused {
            refusal = refused as? TransportError
          }
          _ = loop.schedule(after: 0) { try? sender.send(Chunk("there"), to: receiver.address) }
        } catch {
          done((nil, "\(error)"))
        }
      }
      #expect(error?.code == .notPermitted)
      #expect(text == "there")
    }
  }
}
