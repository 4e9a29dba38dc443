extension Report {
  /// Returns `page` with the tables inserted between the lines `<!-- results NAME -->` and
  /// `<!-- end -->`. NAME is the name of a suite, or `machine`. The text of suites that were not run
  /// is kept.
  ///
  /// - Throws: `Failure` if an `<!-- end -->` is missing.
  func inserted(into page: String) throws(Failure) -> String {
    var lines: [Substring] = []
    var rest = page.split(separator: "\n", omittingEmptySubsequences: false)[...]
    while let line = rest.popFirst() {
      lines.append(line)
      guard line.hasPrefix("<!-- results "), line.hasSuffix(" -->") else { continue }
      let name = String(line.dropFirst("<!-- results ".count).dropLast(" -->".count))
      guard let end = rest.firstIndex(of: "<!-- end -->") else {
        throw Failure("'\(line)' has no '<!-- end -->'")
      }
      if let text = text(of: name) {
        lines.append(contentsOf: text.split(separator: "\n", omittingEmptySubsequences: false))
      } else {
        lines.append(contentsOf: rest[..<end])
      }
      rest = rest[end...]
    }
    return lines.joined(separator: "\n")
  }

  private func text(of name: String) -> String? {
    if name == "machine" { return machineText }
    guard let suite = suites.first(where: { $0.name == name }) else { return nil }
    if let failure = suite.failure { return "\nNot measured: \(failure)\n" }
    let tables = suite.comparisons.map { result in
      "\n**\(result.title)** (\(result.lessIsBetter ? "less" : "more") is better)\n\n"
        + Table(result).markdown
    }
    return tables.joined()
  }

  private var machineText: String {
    let versions = machine.versions.values.sorted().joined(separator: "; ")
    let warning = isQuick ? " A quick run (`--quick`): the figures are not reliable." : ""
    return """

      \(machine.processor), \(machine.cores) cores, \(decimal(machine.memoryGiB, digits: 1)) GiB; \
      \(machine.system). Beside: \(versions). Load average at the start: \
      \(decimal(machine.loadAtStart, digits: 2)).\(warning)

      """
  }
}
