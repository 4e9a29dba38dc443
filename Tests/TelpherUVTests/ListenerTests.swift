import Glibc
import TelpherTransport
import TelpherUV
import Testing

/// Tests of addresses, the files of Unix sockets, and accepting connections.
@Suite(.timeLimit(.minutes(15))) struct ListenerTests {
  @Test(arguments: ["127.0.0.1", "localhost", "::1"])
  func bothEndsOfATCPConnectionReportTheirPeer(host: String) async throws {
    try await withLoop { loop in
      let peers: [PeerIdentity] = await loop.run { done in
        loop.connectPair(.tcp(host: host, port: 0)) { client, server in
          done([client.peer, server.peer])
        }
      }
      let address = host == "::1" ? host : "127.0.0.1"
      #expect(peers == Array(repeating: .network(address: address, isLoopback: true), count: 2))
    }
  }

  @Test func bothEndsOfAUnixConnectionReportTheirPeer() async throws {
    try await withSocketPath { path in
      try await withLoop { loop in
        let peers: [PeerIdentity] = await loop.run { done in
          loop.connectPair(.unix(path: path)) { client, server in
            done([client.peer, server.peer])
          }
        }
        #expect(peers == Array(repeating: .user(uid: getuid(), pid: getpid()), count: 2))
      }
    }
  }

  @Test func theFileOfAUnixSocketHasMode0600AndIsRemovedOnClose() async throws {
    try await withSocketPath { path in
      try await withLoop { loop in
        let mode: mode_t = await loop.run { done in
          let socket = try! loop.bind(to: .unix(path: path), backlog: 8)
          var status = stat()
          lstat(path, &status)
          socket.close()
          done(status.st_mode)
        }
        #expect(mode == S_IFSOCK | 0o600)
        #expect(access(path, F_OK) != 0)
      }
    }
  }

  @Test func bindReplacesTheSocketOfADeadServerButNotOfALiveOne() async throws {
    try await withSocketPath { path in
      try await leaveDeadSocket(at: path)
      try await withLoop { loop in
        let code: TransportError.Code? = await loop.run { done in
          let live = try! loop.bind(to: .unix(path: path), backlog: 8)
          defer { live.close() }
          done(
            #expect(throws: TransportError.self) {
              try loop.bind(to: .unix(path: path), backlog: 8)
            }?.code)
        }
        #expect(code == .addressInUse)
      }
    }
  }

  /// Creates the socket file that a dead server leaves.
  private func leaveDeadSocket(at path: String) async throws {
    let dead = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    let bound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.bind(dead, $0, size) }
    }
    try #require(bound == 0)
    Glibc.close(dead)
    // Another test may be launching a child that has a copy of the descriptor; the socket lives
    // until that closes.
    while try isBound(path) { try await Task.sleep(for: .milliseconds(1)) }
  }

  /// Whether some process has a socket with this path: proc(5), "/proc/net/unix".
  private func isBound(_ path: String) throws -> Bool {
    let file = try #require(fopen("/proc/net/unix", "re"))
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, Int32(line.count), file) != nil {
      if strstr(line, path) != nil { return true }
    }
    return false
  }

  @Test func bindKeepsAFileThatIsNotASocket() async throws {
    try await withSocketPath { path in
      Glibc.close(open(path, O_CREAT | O_WRONLY, 0o644))
      try await withLoop { loop in
        let code: TransportError.Code? = await loop.run { done in
          done(
            #expect(throws: TransportError.self) {
              try loop.bind(to: .unix(path: path), backlog: 8)
            }?.code)
        }
        #expect(code == .addressInUse)
        #expect(access(path, F_OK) == 0)
      }
    }
  }

  @Test func closeKeepsTheSocketFileOfAnotherServer() async throws {
    try await withSocketPath { path in
      try await withLoop { loop in
        await loop.run { done in
          let first = try! loop.bind(to: .unix(path: path), backlog: 8)
          unlink(path)
          let second = try! loop.bind(to: .unix(path: path), backlog: 8)
          first.close()
          #expect(access(path, F_OK) == 0)
          second.close()
          done(())
        }
      }
    }
  }

  @Test(arguments: [
    (SocketAddress.unix(path: "/tmp/" + String(repeating: "x", count: 103)), "at most 107 bytes"),
    (.unix(path: ""), "empty"), (.unix(path: "a\0b"), "NUL"),
    (.tcp(host: "example.org", port: 1), "neither a numeric address nor localhost"),
  ])
  func aBadAddressFailsWithTheReason(address: SocketAddress, reason: String) async throws {
    try await withLoop { loop in
      let errors: [TransportError] = await loop.run { done in
        let bound = #expect(throws: TransportError.self) { try loop.bind(to: address, backlog: 8) }
        loop.connect(to: address) { result in
          guard case .failure(let error) = result else { preconditionFailure() }
          done([bound!, error])
        }
      }
      for error in errors {
        #expect(error.code == .badAddress)
        #expect(error.message.contains(reason))
      }
    }
  }

  @Test func connectingToAnAddressWithoutAServerFailsAsUnreachable() async throws {
    try await withSocketPath { path in
      try await withLoop { loop in
        for address in [SocketAddress.unix(path: path), .tcp(host: "127.0.0.1", port: 1)] {
          let error: TransportError? = await loop.run { done in
            loop.connect(to: address) { result in
              if case .failure(let error) = result { done(error) } else { done(nil) }
            }
          }
          #expect(error?.code == .unreachable)
          #expect(error?.message.contains(address.description) == true)
        }
      }
    }
  }

  @Test func connectWaitsWhileTheBacklogIsFull() async throws {
    try await withSocketPath { path in
      try await withLoop { loop in
        let accepted: Int = await loop.run { done in
          let socket = try! loop.bind(to: .unix(path: path), backlog: 1)
          let (total, connected, accepted) = (10, Box(0), Box(0))
          func check() {
            if connected.value == total && accepted.value == total { done(total) }
          }
          for _ in 0..<total {
            loop.connect(to: socket.address) { result in
              _ = try! result.get()
              connected.value += 1
              check()
            }
          }
          // By then most connects have been refused once.
          _ = loop.schedule(after: 10_000_000) {
            _ = try! loop.serve(socket) { _ in
              accepted.value += 1
              check()
            }
          }
        }
        #expect(accepted == 10)
      }
    }
  }

  @Test func twoLoopsServeOneSocket() async throws {
    try await withSocketPath { path in
      try await withLoop { first in
        try await withLoop { second in
          let socket: any BoundSocket = try await first.run { done in
            done(Result { try first.bind(to: .unix(path: path), backlog: 64) })
          }.get()
          for loop in [first, second] {
            await loop.run { done in
              _ = try! loop.serve(socket) { stream in
                #expect(loop.isCurrent)
                stream.send("hello")
                stream.finishWriting()
              }
              done(())
            }
          }
          let texts: [String] = await first.run { done in
            var texts: [String] = []
            for _ in 0..<100 {
              first.connect(to: socket.address) { result in
                let stream = try! result.get()
                stream.onRead = {
                  texts.append(String(decoding: [UInt8]($0), as: UTF8.self))
                  if texts.count == 100 { done(texts) }
                }
                stream.resumeReading()
              }
            }
          }
          #expect(texts == Array(repeating: "hello", count: 100))
          socket.close()
        }
      }
    }
  }

  @Test func acceptingContinuesAfterDescriptorsRanOut() async {
    await #expect(processExitsWith: .success) {
      try await withLoop { loop in
        let served: Bool = await loop.run { done in
          let socket = try! loop.bind(to: .tcp(host: "127.0.0.1", port: 0), backlog: 8)
          var isFull = false
          _ = try! loop.serve(socket) { stream in
            precondition(!isFull, "there was no descriptor for this one")
            done(true)
          }
          // Open the client's socket first, then use up all other descriptors.
          var limit = rlimit(rlim_cur: 64, rlim_max: 64)
          setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
          loop.connect(to: socket.address) { _ in }
          isFull = true
          var hoard: [Int32] = []
          while case let descriptor = dup(0), descriptor >= 0 { hoard.append(descriptor) }
          _ = loop.schedule(after: 20_000_000) {
            hoard.forEach { Glibc.close($0) }
            isFull = false
            loop.connect(to: socket.address) { _ in }
          }
        }
        precondition(served)
      }
    }
  }
}
