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

  private struct Place {
    let stranger: ObjectIdentifier
    let source: String
    let listener: ObjectIdentifier
  }

  /// In the order in which they came.
  private var places: [Place] = []

  init(perListener: Int, perSource: Int) {
    precondition(perListener > 0 && perSource > 0, "the newest stranger has a place")
    self.perListener = perListener
    self.perSource = perSource
  }

  /// The number of strangers.
  var count: Int { places.count }

  /// Gives `stranger` a place.
  ///
  /// - Parameter hasUnread: whether a stranger has sent what was not read yet: it has not had its
  ///   chance. Of several that came at once it may be the honest one.
  /// - Returns: the one that loses its place for it, if any.
  mutating func admit(
    _ stranger: ObjectIdentifier, from source: String, at listener: ObjectIdentifier,
    hasUnread: (ObjectIdentifier) -> Bool = { _ in false }
  ) -> ObjectIdentifier? {
    defer { places.append(Place(stranger: stranger, source: source, listener: listener)) }
    var counts: [String: Int] = [:]
    var total = 0
    for place in places where place.listener == listener {
      counts[place.source, default: 0] += 1
      total += 1
    }
    if counts[source, default: 0] >= perSource {
      return evict(from: source, at: listener, hasUnread)
    }
    guard total >= perListener else { return nil }
    // The source that has the most pays; of several such, the one that came first.
    let most = counts.values.max() ?? 0
    let crowded = places.first { $0.listener == listener && counts[$0.source] == most }
    guard let crowded else { preconditionFailure("a listener that is full has a stranger") }
    return evict(from: crowded.source, at: listener, hasUnread)
  }

  /// `stranger` is known now, or gone.
  mutating func remove(_ stranger: ObjectIdentifier) {
    places.removeAll { $0.stranger == stranger }
  }

  private mutating func evict(
    from source: String, at listener: ObjectIdentifier, _ hasUnread: (ObjectIdentifier) -> Bool
  ) -> ObjectIdentifier? {
    let candidates = places.indices.filter {
      places[$0].source == source && places[$0].listener == listener
    }
    let silent = candidates.first { !hasUnread(places[$0].stranger) }
    return (silent ?? candidates.first).map { places.remove(at: $0).stranger }
  }
}
