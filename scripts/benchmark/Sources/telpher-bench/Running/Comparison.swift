/// One table: several contestants do the same work in turns.
struct Comparison: Sendable {
  /// A program or backend that does the work.
  struct Contestant: Sendable {
    /// The name in the table.
    let name: String
    /// The contestant that the ratio refers to; nil for no ratio.
    let baseline: String?
    /// Does the work once.
    let measure: @Sendable () async throws -> Sample
  }

  /// The title, unique in its suite.
  let title: String
  /// The unit of the figures.
  let unit: String
  /// Whether a lower figure is better.
  let lessIsBetter: Bool
  private(set) var contestants: [Contestant] = []
  /// The contestants that are left out, and the reasons.
  private(set) var absent: [(name: String, reason: String)] = []

  init(_ title: String, unit: String, lessIsBetter: Bool = false) {
    self.title = title
    self.unit = unit
    self.lessIsBetter = lessIsBetter
  }

  /// The name of the contestant that shows the machine's limit.
  static let limit = "limit"

  /// Adds the contestant that shows the machine's limit.
  mutating func setLimit(_ measure: @escaping @Sendable () async throws -> Sample) {
    contestants.append(Contestant(name: Self.limit, baseline: nil, measure: measure))
  }

  /// Adds a contestant.
  mutating func add(
    _ name: String, baseline: String? = limit,
    _ measure: @escaping @Sendable () async throws -> Sample
  ) {
    contestants.append(Contestant(name: name, baseline: baseline, measure: measure))
  }

  /// Names a contestant that is left out.
  mutating func leaveOut(_ name: String, because reason: String) {
    absent.append((name, reason))
  }
}
