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
    // One a round, so that a busy socket does not starve the others.
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

/// What has come for one socket and was not received yet. From any thread.
final class MemoryDatagramInbox: Sendable {
  /// The bytes that fit, as into a socket's buffer; what comes beyond them is lost.
  private static let capacity = 256 * 1024
  /// What each datagram counts beside its bytes, so that empty ones fill it too.
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
  /// Who a socket at this address is to those it sends to: one at every address sends from the
  /// loopback's.
  fileprivate var asSender: DatagramAddress {
    switch host {
    case "0.0.0.0": DatagramAddress(host: "127.0.0.1", port: port)
    case "::": DatagramAddress(host: "::1", port: port)
    default: self
    }
  }
}
