internal import TelpherForward
internal import TelpherLink
internal import TelpherTransport
internal import TelpherWire

/// A name that a client has registered at the hub: it announces each connection for the name to this
/// client, which takes it with `accept`. Use it only on its loop's thread.
final class HubRegistration: StreamWork {
  /// A connection for the client that takes it, with its place within the limits.
  struct Accepted {
    let stream: PairedStream
    let slot: SocketSlot
  }

  /// An announced connection that was not taken yet.
  private struct Unclaimed {
    let offer: HubOffer
    let slot: SocketSlot
    let timer: any LoopTimer

    func refuse(_ reason: String) {
      timer.cancel()
      offer.refuse(reason)
    }
  }

  /// Called once at the end.
  var didFinish: ((HubRegistration, StreamClosing) -> Void)?
  /// The address as the client has written it.
  let requested: String
  private let name: HubName
  private let link: Link
  private let stream: StreamID
  private let limits: SocketLimits
  private let registry: HubRegistry
  private let takeSlot: () throws(SocketRefusal) -> SocketSlot
  private var desk: HubDesk?
  private var unclaimed: [String: Unclaimed] = [:]

  init(
    _ name: HubName, requested: String, link: Link, stream: StreamID, limits: SocketLimits,
    registry: HubRegistry, takeSlot: @escaping () throws(SocketRefusal) -> SocketSlot
  ) {
    (self.name, self.requested, self.link, self.stream) = (name, requested, link, stream)
    (self.limits, self.registry, self.takeSlot) = (limits, registry, takeSlot)
  }

  /// Registers the name for its desk's owner, and reports that to the client.
  ///
  /// - Throws: `SocketRefusal` if it can't be registered.
  func register(_ desk: HubDesk) throws(SocketRefusal) {
    let replaced = try registry.register(name, desk)
    self.desk = desk
    replaced?.replace()
    link.control(stream, .opened(.socket(address: "\(StreamTarget.hub(name))")))
  }

  /// A client connects to the name.
  func receive(_ offer: HubOffer) {
    guard desk != nil else { return offer.refuse(HubOffer.gone) }
    guard unclaimed.count < limits.maxUnclaimed else {
      return offer.refuse(
        "\(limits.maxUnclaimed) connections wait for \(name) (max_unclaimed): try again")
    }
    let slot: SocketSlot
    do throws(SocketRefusal) { slot = try takeSlot() } catch {
      return offer.refuse("\(name): \(error.message)")
    }
    let connection = ConnectionName.random()
    let timer = link.loop.schedule(after: limits.hubAnswerTimeout) { [unowned self] in
      unclaimed.removeValue(forKey: connection)?.refuse(
        "the server \(name) has not answered within \(limits.hubAnswerTimeout / 1_000_000) ms")
    }
    unclaimed[connection] = Unclaimed(offer: offer, slot: slot, timer: timer)
    link.control(stream, .accepted(.init(connection: connection, peer: offer.peer)))
  }

  /// Whether it has announced the connection of this name, which the client has not taken.
  func hasAnnounced(_ connection: String) -> Bool { unclaimed[connection] != nil }

  /// Gives an announced connection to the client; nil if there is none of that name.
  func claim(_ connection: String) -> Accepted? {
    guard let claimed = unclaimed.removeValue(forKey: connection) else { return nil }
    claimed.timer.cancel()
    claimed.offer.answer(.success(()))
    return Accepted(stream: claimed.offer.stream, slot: claimed.slot)
  }

  // MARK: From the client

  func receive(_ chunk: Chunk, on channel: Channel) {
    link.consume(stream, channel, chunk.count)
  }

  func receiveEnd(of channel: Channel) {}

  func receive(_ messages: [ControlMessage]) throws(WireError) {
    guard messages.contains(.cancel) else { return }
    end(.close(CloseResult(.canceled, message: "the client canceled")))
  }

  func streamDidEnd(_ reason: StreamEnd) {
    end(.reset(.canceled, reason: "the stream has ended"))
  }

  // MARK: The end

  /// The same identity has registered the name again.
  func endReplaced() {
    end(
      .close(
        CloseResult(
          .failed, message: "another server has registered the name \(name) with your identity")))
  }

  /// Takes no more connections because the hub is ending.
  func endForShutdown() {
    end(.close(CloseResult(.canceled, message: "the server is ending")))
  }

  /// Gives the name up. Connections that were taken continue.
  private func end(_ closing: StreamClosing) {
    if let desk { registry.release(name, desk) }
    desk = nil
    for connection in unclaimed.values { connection.refuse(HubOffer.gone) }
    unclaimed = [:]
    let didFinish = didFinish
    self.didFinish = nil
    didFinish?(self, closing)
  }
}
