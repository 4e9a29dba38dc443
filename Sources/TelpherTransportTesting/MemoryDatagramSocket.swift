internal import TelpherTransport

/// A UDP socket of a `MemoryNetwork`.
final class MemoryDatagramSocket: DatagramSocket, MemoryHandle {
  let address: DatagramAddress
  private let loop: MemoryLoop
  private let inbox = MemoryDatagramInbox()
  private var didReceive: ((Chunk, DatagramAddress) -> Void)?
  private var handle = 0

  init(
    at address: DatagramAddress, on loop: MemoryLoop,
    didReceive: @escaping (Chunk, DatagramAddress) -> Void
  ) throws(TransportError) {
    self.loop = loop
    self.didReceive = didReceive
    self.address = try loop.network.bindDatagrams(address, inbox)
    handle = loop.add(self)
    inbox.setReader(MemoryWaker(loop: loop, handle: handle))
  }

  func send(_ payload: Chunk, to address: DatagramAddress) throws(TransportError) {
    loop.checkIsolated()
    guard didReceive != nil else { return }
    guard payload.count <= DatagramLimits.payloadBytes else {
      throw .datagramTooLong(payload.count, to: address)
    }
    try address.check(for: "send to")
    loop.network.inbox(for: address)?.put(payload, from: self.address.asSender)
  }

  func didWake() {
    // One datagram per round, so that a busy socket does not starve others.
    guard let didReceive, let (payload, sender) = inbox.take() else { return }
    loop.wakeSoon(handle)
    didReceive(payload, sender)
  }

  func close() {
    loop.checkIsolated()
    guard didReceive != nil else { return }
    didReceive = nil
    loop.network.releaseDatagrams(address, inbox)
    loop.remove(handle)
  }

  func shutDown() { close() }
}

/// The datagrams that one socket has not received yet. Any thread may use it.
final class MemoryDatagramInbox: Sendable {
  /// The capacity in bytes, like a socket's buffer. Datagrams beyond it are lost.
  private static let capacity = 256 * 1024
  /// The bytes that each datagram counts in addition to its payload, so that empty ones also fill
  /// the inbox.
  private static let overhead = 256

  private struct State {
    var datagrams: [(payload: Chunk, sender: DatagramAddress)] = []
    var size = 0
    var reader: MemoryWaker?
  }

  private let state = Monitor(State())

  func setReader(_ reader: MemoryWaker) {
    state.withLock { $0.reader = reader }
    reader()
  }

  func put(_ payload: Chunk, from sender: DatagramAddress) {
    let reader = state.withLock { state -> MemoryWaker? in
      let size = state.size + payload.count + Self.overhead
      guard size <= Self.capacity else { return nil }
      state.size = size
      state.datagrams.append((payload, sender))
      return state.reader
    }
    reader?()
  }

  func take() -> (Chunk, DatagramAddress)? {
    state.withLock { state in
      guard !state.datagrams.isEmpty else { return nil }
      let (payload, sender) = state.datagrams.removeFirst()
      state.size -= payload.count + Self.overhead
      return (payload, sender)
    }
  }
}

extension DatagramAddress {
  /// The sender's address that receivers see: a wildcard address appears as the loopback address.
  fileprivate var asSender: DatagramAddress {
    switch host {
    case "0.0.0.0": DatagramAddress(host: "127.0.0.1", port: port)
    case "::": DatagramAddress(host: "::1", port: port)
    default: self
    }
  }
}
