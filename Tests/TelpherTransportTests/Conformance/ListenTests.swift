#if canImport(Glibc)
  import Glibc
#endif

import TelpherTransport
import Testing

@Suite(.timeLimit(.minutes(15)))
struct ListenTests {
  @Test(arguments: Backends.all, AddressKind.allCases)
  func aListenerReceivesConnections(_ backend: TransportUnderTest, _ kind: AddressKind) async throws
  {
    try await backend.run { stage in
      let door = try stage.listen(kind)
      for count in 1...5 {
        _ = try await stage.connect(to: door.socket.address)
        try await stage.until("accepted") { door.accepted.count == count }
      }
    }
  }

  @Test(arguments: Backends.all, AddressKind.allCases)
  func aHundredConnectionsAtOnceAreAllAccepted(
    _ backend: TransportUnderTest, _ kind: AddressKind
  ) async throws {
    try await backend.run { stage in
      let door = try stage.listen(kind)
      for _ in 1...100 { _ = try await stage.connect(to: door.socket.address) }
      try await stage.until("all are accepted") { door.accepted.count == 100 }
    }
  }

  @Test(arguments: Backends.all, AddressKind.allCases)
  func aPausedListenerAcceptsAfterThePause(
    _ backend: TransportUnderTest, _ kind: AddressKind
  ) async throws {
    try await backend.run { stage in
      let door = try stage.listen(kind)
      let pause: UInt64 = 30_000_000
      let begin = stage.loop.now
      var acceptedAt: UInt64?
      door.didAccept = { _ in if acceptedAt == nil { acceptedAt = stage.loop.now } }
      door.listener?.pause(for: pause)
      door.listener?.pause(for: 60_000_000_000)
      for _ in 1...3 { _ = try await stage.connect(to: door.socket.address) }
      try await stage.until("all are accepted") { door.accepted.count == 3 }
      #expect(try #require(acceptedAt) - begin >= pause)
    }
  }

  @Test(arguments: Backends.all, AddressKind.allCases)
  func aPausedListenerCanBeClosed(
    _ backend: TransportUnderTest, _ kind: AddressKind
  ) async throws {
    try await backend.run { stage in
      let door = try stage.listen(kind)
      door.listener?.pause(for: 60_000_000_000)
      _ = try await stage.connect(to: door.socket.address)
      door.close()
      door.listener?.pause(for: 1)
      #expect(door.accepted.isEmpty)
    }
  }

  @Test(arguments: Backends.all, AddressKind.allCases)
  func aSuspendedListenerAcceptsLaterAndLosesNoConnection(
    _ backend: TransportUnderTest, _ kind: AddressKind
  ) async throws {
    try await backend.run { stage in
      let door = try stage.listen(kind)
      door.didAccept = { [unowned door] _ in
        if door.accepted.count == 1 { door.listener?.suspend() }
      }
      for _ in 1...100 { _ = try await stage.connect(to: door.socket.address) }
      try await stage.until("one is accepted") { !door.accepted.isEmpty }
      try await stage.settle()
      #expect(door.accepted.count <= 65)
      door.listener?.suspend()
      door.listener?.resume()
      door.listener?.resume()
      try await stage.until("all are accepted") { door.accepted.count == 100 }
      for probe in door.accepted { probe.write([1]) }
    }
  }

  @Test(arguments: Backends.all)
  func aSuspendedListenerCanBeClosed(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let door = try stage.listen(.tcp)
      door.listener?.suspend()
      _ = try await stage.connect(to: door.socket.address)
      try await stage.settle()
      door.close()
      door.listener?.resume()
      try await stage.settle()
      // A backend may have begun to accept.
      #expect(door.accepted.count <= 1)
    }
  }

  @Test(arguments: Backends.all, AddressKind.allCases)
  func connectFailsWithoutAListener(
    _ backend: TransportUnderTest, _ kind: AddressKind
  ) async throws {
    try await backend.run { stage in
      // Another test may meanwhile use a port that was free a moment ago. No test uses port 1.
      let address: SocketAddress =
        kind == .tcp ? .tcp(host: "127.0.0.1", port: 1) : stage.rig.freshAddress(kind)
      let error = try await stage.connectError(to: address)
      #expect(error.code == .unreachable)
      #expect(error.errno != 0)
    }
  }

  @Test(arguments: Backends.all)
  func listenersGetOnlyTheirOwnConnections(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let doors = try [stage.listen(.unix), stage.listen(.tcp), stage.listen(.unix)]
      for (index, door) in doors.enumerated() {
        for _ in 0...index {
          let client = try await stage.connect(to: door.socket.address)
          client.write([UInt8(index)])
        }
      }
      for (index, door) in doors.enumerated() {
        try await stage.until("accepted") { door.accepted.count == index + 1 }
        for probe in door.accepted {
          probe.resume()
          try await stage.until("a byte") { probe.bytes == [UInt8(index)] }
        }
      }
    }
  }

  @Test(arguments: Backends.all, AddressKind.allCases)
  func anAddressInUseIsRefused(_ backend: TransportUnderTest, _ kind: AddressKind) async throws {
    try await backend.run { stage in
      let door = try stage.listen(kind)
      let error = #expect(throws: TransportError.self) {
        try stage.bind(to: door.socket.address)
      }
      #expect(error?.code == .addressInUse)
      // The existing listener is not affected. (A backend may check for a listener by connecting,
      // so this may be the second connection.)
      door.didAccept = { $0.resume() }
      let client = try await stage.connect(to: door.socket.address)
      client.write([7])
      try await stage.until("a byte") { door.accepted.contains { $0.bytes == [7] } }
    }
  }

  @Test(arguments: Backends.all)
  func portZeroBecomesANumber(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let ports = try (0..<2).map { _ -> UInt16 in
        guard case .tcp(let host, let port) = try stage.listen(.tcp).socket.address else {
          return 0
        }
        #expect(host == "127.0.0.1")
        return port
      }
      #expect(!ports.contains(0))
      #expect(ports[0] != ports[1])
    }
  }

  @Test(arguments: Backends.all)
  func aUnixAddressIsTheOneAskedFor(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let address = stage.rig.freshAddress(.unix)
      let socket = try stage.bind(to: address)
      #expect(socket.address == address)
      stage.rig.close(socket)
    }
  }

  @Test(arguments: Backends.all)
  func localhostCanBeUsedAsAHost(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let socket = try stage.bind(to: .tcp(host: "localhost", port: 0))
      let door = try stage.serve(socket)
      _ = try await stage.connect(to: socket.address)
      try await stage.until("accepted") { door.accepted.count == 1 }
    }
  }

  @Test(arguments: Backends.all)
  func impossibleAddressesAreRefused(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let addresses: [SocketAddress] = [
        .unix(path: "/tmp/" + String(repeating: "x", count: 200)),
        .tcp(host: "not an address", port: 0),
      ]
      for address in addresses {
        let bindError = #expect(throws: TransportError.self) {
          try stage.bind(to: address)
        }
        #expect(bindError?.code == .badAddress)
        let connectError = try await stage.connectError(to: address)
        #expect(connectError.code == .badAddress)
      }
    }
  }

  @Test(arguments: Backends.all, AddressKind.allCases)
  func anAddressCanBeReusedRightAfterClose(
    _ backend: TransportUnderTest, _ kind: AddressKind
  ) async throws {
    try await backend.run { stage in
      let first = try stage.serve(stage.bindToKeptAddress(kind))
      let address = first.socket.address
      let client = try await stage.connect(to: address)
      try await stage.until("accepted") { first.accepted.count == 1 }
      // The side that closes first keeps a socket in TIME_WAIT.
      first.accepted[0].close()
      first.close()
      client.resume()
      try await stage.until("the end") { client.hasEnded }
      client.close()
      let second = try stage.serve(stage.bind(to: address))
      _ = try await stage.connect(to: address)
      try await stage.until("accepted") { second.accepted.count == 1 }
    }
  }

  @Test(arguments: Backends.all, AddressKind.allCases)
  func severalLoopsServeOneSocket(
    _ backend: TransportUnderTest, _ kind: AddressKind
  ) async throws {
    try await backend.run(loops: 3) { stage in
      let socket = try stage.bind(to: stage.rig.freshAddress(kind))
      let accepted = Shared(0)
      var servers: [Stage] = []
      for loop in stage.rig.loops[1...] {
        let server = Stage(stage.rig, loop: loop)
        try await server.echo(socket, counting: accepted)
        servers.append(server)
      }
      for number in 0..<40 {
        let client = try await stage.connect(to: socket.address)
        client.resume()
        client.write([UInt8(number)])
        try await stage.until("the echo") { client.bytes == [UInt8(number)] }
        client.close()
      }
      #expect(accepted.withLock { $0 } == 40)
    }
  }

  @Test(arguments: Backends.all)
  func aSocketIsServedAfterOneLoopStops(_ backend: TransportUnderTest) async throws {
    try await backend.run(loops: 2) { stage in
      let door = try stage.listen(.unix)
      let accepted = Shared(0)
      let other = Stage(stage.rig, loop: stage.rig.loops[1])
      try await other.echo(door.socket, counting: accepted)
      door.listener?.close()
      for number in 1...10 {
        let client = try await stage.connect(to: door.socket.address)
        client.resume()
        client.write([UInt8(number)])
        try await stage.until("the echo") { client.bytes == [UInt8(number)] }
      }
      #expect(accepted.withLock { $0 } == 10)
      #expect(door.accepted.isEmpty)
    }
  }

  @Test(arguments: Backends.all, AddressKind.allCases)
  func thePeerIdentityMatchesTheConnection(_ backend: TransportUnderTest, _ kind: AddressKind)
    async throws
  {
    try await backend.run { stage in
      let (client, server) = try await stage.pair(kind)
      for peer in [client.stream.peer, server.stream.peer] {
        switch peer {
        case .user(let uid, let pid):
          #expect(kind == .unix)
          #expect(uid == getuid())
          #expect(pid == getpid())
        case .network(let address, let isLoopback):
          #expect(kind == .tcp)
          #expect(address.hasPrefix("127.0.0.1"))
          #expect(isLoopback)
        case .vsock, .passedOn, .inherited:
          Issue.record("\(peer)")
        }
      }
    }
  }
}

extension Stage {
  /// Connects and returns the error with which that fails.
  func connectError(to address: SocketAddress) async throws -> TransportError {
    do {
      _ = try await connect(to: address)
    } catch let error as TransportError {
      return error
    }
    throw NeverHappened(what: "an error")
  }

  /// Serves `socket` and sends all received bytes back.
  func echo(_ socket: any BoundSocket, counting accepted: Shared<Int>) throws {
    let loop = loop
    let door = try serve(socket)
    door.didAccept = { probe in
      #expect(loop.isCurrent)
      accepted.withLock { $0 += 1 }
      probe.didRead = { [unowned probe] in probe.write([probe.bytes[probe.bytes.count - 1]]) }
      probe.resume()
    }
  }
}

extension Stage {
  /// Binds to an address that no other process is given once it is free: below the ports that the
  /// system assigns by itself (ip(7), ip_local_port_range).
  fileprivate func bindToKeptAddress(_ kind: AddressKind) throws -> any BoundSocket {
    guard kind == .tcp else { return try bind(to: rig.freshAddress(kind)) }
    while true {
      let address = SocketAddress.tcp(host: "127.0.0.1", port: .random(in: 12_000..<32_000))
      do { return try bind(to: address) } catch let error as TransportError
        where error.code == .addressInUse
      {}
    }
  }
}
