internal import DequeModule
internal import TelpherWire

/// The sending channels of a connection, and the order in which they take turns.
struct ChannelQueue {
  /// The sending channels of all open streams.
  private var channels: [StreamID: [OutboundChannel]] = [:]
  /// Channels that wait for a turn, in order.
  private var queue: Deque<OutboundChannel> = []
  /// The stream that got the connection's new credit first last time.
  private var lastResumed: StreamID = 0
  /// The connection has credit that `takeCredit()` has not distributed.
  private var hasNewCredit = false

  /// Whether no channel waits for a turn.
  var isEmpty: Bool { queue.isEmpty }

  /// An empty list with room for the two outputs of a command.
  private static var noChannels: [OutboundChannel] {
    var channels: [OutboundChannel] = []
    channels.reserveCapacity(2)
    return channels
  }

  /// Adds a channel of an open stream.
  mutating func add(_ outbound: OutboundChannel) {
    channels[outbound.stream, default: Self.noChannels].append(outbound)
  }

  /// The sending side of a channel, if there is one.
  func find(_ stream: StreamID, _ channel: Channel) -> OutboundChannel? {
    channels[stream]?.first { $0.channel == channel }
  }

  /// All channels.
  var all: [OutboundChannel] { channels.values.flatMap { $0 } }

  /// Removes the channels of a stream that has ended.
  mutating func remove(_ stream: StreamID) {
    channels.removeValue(forKey: stream)?.forEach { $0.cancel() }
  }

  /// Removes all channels, since the connection has ended.
  mutating func removeAll() {
    for outbound in all { outbound.cancel() }
    channels = [:]
    queue = []
  }

  // MARK: Turns

  /// Queues a channel for a turn; does nothing if it is queued.
  mutating func enqueue(_ outbound: OutboundChannel) {
    guard !outbound.isQueued else { return }
    outbound.isQueued = true
    queue.append(outbound)
  }

  /// Removes the channel whose turn it is.
  mutating func next() -> OutboundChannel? {
    guard let outbound = queue.popFirst() else { return nil }
    outbound.isQueued = false
    return outbound
  }

  // MARK: Credit of the connection

  /// The connection has new credit. It is distributed once per read: a peer that grants byte by
  /// byte must not make the loop visit all streams each time.
  mutating func didReceiveCredit() { hasNewCredit = true }

  /// The channels that may use the connection's new credit, in the order of their turns; empty if
  /// there is none. Each call starts after the stream that was first in the last call: one stream
  /// that can use all of the credit must not starve the others.
  mutating func takeCredit() -> [OutboundChannel] {
    guard hasNewCredit else { return [] }
    hasNewCredit = false
    let waiting = channels.filter { $0.value.contains { $0.hasWork || $0.isAwaited } }.keys.sorted()
    guard !waiting.isEmpty else { return [] }
    let first = waiting.firstIndex { $0 > lastResumed } ?? 0
    lastResumed = waiting[first]
    return (waiting[first...] + waiting[..<first]).flatMap { channels[$0] ?? [] }
  }
}
