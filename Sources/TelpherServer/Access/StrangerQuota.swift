/// Limits the strangers on one loop: connections that have not authenticated yet.
///
/// A new stranger always gets a place. If a limit is reached, the oldest stranger without unread
/// bytes is evicted: an honest client needs its place for a few milliseconds, while an attacker has
/// to hold it. Authenticated clients are never evicted. Each listener and each source has its own
/// limit, so a source that connects again and again evicts its own connections first.
struct StrangerQuota {
  /// The most strangers per listener, at least 1.
  let perListener: Int
  /// The most strangers per listener from one source address, at least 1.
  let perSource: Int

  /// The listener that accepted a stranger, and its source address.
  private struct Origin: Hashable {
    let listener: ObjectIdentifier
    let source: String
  }

  /// The strangers of each origin, oldest first.
  private var queues: [Origin: [ObjectIdentifier]] = [:]
  private var origins: [ObjectIdentifier: Origin] = [:]
  private var counts: [ObjectIdentifier: Int] = [:]

  /// The most strangers that one eviction checks for unread bytes; each check is a system call.
  private static let longestSearch = 16

  init(perListener: Int, perSource: Int) {
    precondition(perListener > 0 && perSource > 0, "the newest stranger has a place")
    self.perListener = perListener
    self.perSource = perSource
  }

  /// The number of strangers.
  var count: Int { origins.count }

  /// Adds `stranger`.
  ///
  /// - Parameter hasUnread: whether a stranger has sent bytes that the server has not read yet.
  ///   Such a stranger may be about to authenticate, so others are evicted first.
  /// - Returns: the stranger that was evicted to make room, if any.
  mutating func admit(
    _ stranger: ObjectIdentifier, from source: String, at listener: ObjectIdentifier,
    hasUnread: (ObjectIdentifier) -> Bool = { _ in false }
  ) -> ObjectIdentifier? {
    let origin = Origin(listener: listener, source: source)
    let evicted: ObjectIdentifier?
    if queues[origin]?.count ?? 0 >= perSource {
      evicted = evict(origin, hasUnread)
    } else if counts[listener] ?? 0 >= perListener {
      // Evict from the source that has the most strangers.
      let crowded = queues.filter { $0.key.listener == listener }
        .max { ($0.value.count, $1.key.source) < ($1.value.count, $0.key.source) }
      guard let crowded else { preconditionFailure("a listener that is full has a stranger") }
      evicted = evict(crowded.key, hasUnread)
    } else {
      evicted = nil
    }
    queues[origin, default: []].append(stranger)
    origins[stranger] = origin
    counts[listener, default: 0] += 1
    return evicted
  }

  /// Removes `stranger`, which has authenticated or disconnected.
  mutating func remove(_ stranger: ObjectIdentifier) {
    guard let origin = origins.removeValue(forKey: stranger) else { return }
    queues[origin]?.removeAll { $0 == stranger }
    if queues[origin]?.isEmpty == true { queues[origin] = nil }
    counts[origin.listener, default: 0] -= 1
  }

  /// Removes the oldest stranger of `origin` without unread bytes, or else the oldest.
  private mutating func evict(
    _ origin: Origin, _ hasUnread: (ObjectIdentifier) -> Bool
  ) -> ObjectIdentifier? {
    let queue = queues[origin] ?? []
    let silent = queue.prefix(Self.longestSearch).first { !hasUnread($0) }
    guard let evicted = silent ?? queue.first else { return nil }
    remove(evicted)
    return evicted
  }
}
