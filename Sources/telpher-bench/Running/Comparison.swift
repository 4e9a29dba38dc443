/// What is compared in one table: the same work, done by contestants in turn.
struct Comparison: Sendable {
  /// Who does the work.
  struct Contestant: Sendable {
    /// Its name in the table.
    let name: String
    /// The contestant that it is set in ratio to; nil for none.
    let baseline: String?
    /// Does the work once.
    let measure: @Sendable () async throws -> Sample
  }

  /// What is measured, unique in its suite.
  let title: String
  /// The unit of the figures.
  let unit: String
  /// Whether less is better.
  let lessIsBetter: Bool
  private(set) var contestants: [Contestant] = []
  /// Who takes no part, and why.
  private(set) var absent: [(name: String, reason: String)] = []

  init(_ title: String, unit: String, lessIsBetter: Bool = false) {
    self.title = title
    self.unit = unit
    self.lessIsBetter = lessIsBetter
  }

  /// The name of the limit of the machine.
  static let limit = "limit"

  /// Adds the limit of the machine.
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

  /// Names a contestant that takes no part.
  mutating func leaveOut(_ name: String, because reason: String) {
    absent.append((name, reason))
  }
}
