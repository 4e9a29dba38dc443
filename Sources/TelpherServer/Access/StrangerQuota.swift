/// The places for connections that have not proven yet who they are, on one loop.
///
/// A new stranger always gets a place. If there are too many, the oldest one loses its own that has
/// said nothing more since it was read last: an honest client needs its place for some milliseconds,
/// while one that only wants to occupy it has to hold it. No place is taken from a client that is
/// known already. Each listener has places of its own, and so has each source, so that one that
/// connects without end displaces itself first.
struct StrangerQuota {
  /// The places of a listener, at least 1.
  let perListener: Int
  /// Those of them that one source may have, at least 1.
  let perSource: Int

  /// Where a stranger came in, and from where.
  private struct Origin: Hashable {
    let listener: ObjectIdentifier
    let source: String
  }

  /// The strangers of each origin, in the order in which they came.
  private var queues: [Origin: [ObjectIdentifier]] = [:]
  private var origins: [ObjectIdentifier: Origin] = [:]
  private var counts: [ObjectIdentifier: Int] = [:]

  /// The most strangers of which it is asked whether they were heard, each by a system call.
  private static let longestSearch = 16

  init(perListener: Int, perSource: Int) {
    precondition(perListener > 0 && perSource > 0, "the newest stranger has a place")
    self.perListener = perListener
    self.perSource = perSource
  }

  /// The number of strangers.
  var count: Int { origins.count }

  /// Gives `stranger` a place.
  ///
  /// - Parameter hasUnread: whether a stranger has sent what was not read yet: it has not had its
  ///   chance. Of several that came at once it may be the honest one.
  /// - Returns: the one that loses its place for it, if any.
  mutating func admit(
    _ stranger: ObjectIdentifier, from source: String, at listener: ObjectIdentifier,
    hasUnread: (ObjectIdentifier) -> Bool = { _ in false }
  ) -> ObjectIdentifier? {
    let origin = Origin(listener: listener, source: source)
    let evicted: ObjectIdentifier?
    if queues[origin]?.count ?? 0 >= perSource {
      evicted = evict(origin, hasUnread)
    } else if counts[listener] ?? 0 >= perListener {
      // The source that has the most pays.
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

  /// `stranger` is known now, or gone.
  mutating func remove(_ stranger: ObjectIdentifier) {
    guard let origin = origins.removeValue(forKey: stranger) else { return }
    queues[origin]?.removeAll { $0 == stranger }
    if queues[origin]?.isEmpty == true { queues[origin] = nil }
    counts[origin.listener, default: 0] -= 1
  }

  /// Takes the place of the oldest one of `origin` that has been heard.
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
