import Glibc
import TelpherSockets
import TelpherTransport
import Testing

@testable import TelpherUV

/// `UVSocketConnect` is for sockets that few test machines can connect, but it takes any.
@Suite(.timeLimit(.minutes(1))) struct SocketConnectTests {
  @Test(arguments: [
    SocketAddress.tcp(host: "127.0.0.1", port: 0),
    .unix(path: "/tmp/telpher-connect-\(UInt64.random(in: 0 ... .max)).sock"),
  ])
  func aConnectedDescriptorCarriesBytes(_ address: SocketAddress) async throws {
    try await withLoop { loop in
      let socket = try ListeningSocket(address: address, backlog: 4)
      defer { socket.close() }
      let target = try SystemAddress(socket.address, "connect")
      let received: [UInt8] = await loop.run { done in
        let listener = try! loop.serve(socket) { server in
          _ = [UInt8](1...3).withUnsafeBytes { server.write($0, nil) }
          server.finishWriting()
        }
        let descriptor = target.makeSocket()
        UVSocketConnect(descriptor, on: loop).start(to: target) { status in
          #expect(status == 0)
          let handle = UVStream.makeSocket(.vsock, on: loop)
          #expect(UVStream.openPipe(handle, descriptor) == 0)
          let stream = UVStream(loop: loop, handles: .duplex(handle), peer: .inherited)
          var bytes: [UInt8] = []
          stream.onRead = { bytes.append(contentsOf: $0) }
          stream.onEnd = { _ in
            stream.close()
            listener.close()
            done(bytes)
          }
          stream.resumeReading()
        }
      }
      #expect(received == [1, 2, 3])
    }
  }

  @Test func aRefusedConnectionIsReported() async throws {
    try await withLoop { loop in
      let socket = try ListeningSocket(address: .tcp(host: "127.0.0.1", port: 0), backlog: 4)
      let target = try SystemAddress(socket.address, "connect")
      socket.close()
      let status: Int32 = await loop.run { done in
        let descriptor = target.makeSocket()
        UVSocketConnect(descriptor, on: loop).start(to: target) { status in
          _ = close(descriptor)
          done(status)
        }
      }
      #expect(status == -ECONNREFUSED)
    }
  }
}
