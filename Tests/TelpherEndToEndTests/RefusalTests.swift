import Glibc
import TelpherClient
import TelpherTestSupport
import Testing

struct RefusalTests {
  /// The test plays a server that sends GOAWAY and keeps the connection open.
  @Test(arguments: SystemBackend.all)
  func everyCommandThrowsTheReasonOfARefusal(_ backend: SystemBackend) async throws {
    var ends: [Int32] = [-1, -1]
    #expect(
      socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0)
    defer { close(ends[1]) }
    let reason = Array("no such token".utf8)
    let payload: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 6] + reason
    let header: [UInt8] = [0, 0, 0, UInt8(payload.count), 0, 0, 0, 0, 0x0A, 0, 0, 0]
    let bytes = Array("TELPHER1".utf8) + header + payload
    #expect(write(ends[1], bytes, bytes.count) == bytes.count)

    let loop = try backend.makeLoop()
    let connection = try await Connection.adopt(reading: ends[0], writing: ends[0], on: loop)
    // The first request may be sent before the GOAWAY arrives; the second is not sent at all.
    for _ in 0..<2 {
      await #expect {
        try await connection.run(Command("true"))
      } throws: { error in
        let error = error as? ClientError
        return error?.code == .notAuthenticated && error?.message.contains("no such token") == true
      }
    }
    await loop.shutDown()
  }
}
