internal import Glibc
internal import TelpherJournal
internal import TelpherTestSupport
internal import TelpherTransport
internal import Testing

/// Each call to the system fails once, at each of its uses.
@Suite struct JournalFaultTests {
  @Test(arguments: JournalCall.allCases)
  func aFailedCallOfTheWriterLosesNothingSilently(call: JournalCall) throws {
    for (times, error) in [(1, ENOSPC), (7, EIO)] {
      var uses = 0
      while try survives(call, after: uses, times: times, error) { uses += 1 }
    }
  }

  /// More than the journal has room for.
  private static let model = {
    var random = SeededGenerator(seed: 5)
    var model = JournalModel()
    for number in 0..<60 {
      model.add(number % 4 == 0 ? 70_000 : 900, to: number % 3 == 0 ? .error : .output, &random)
    }
    return model
  }()

  /// Writes a journal with a failing call and reads it. Returns whether the call was used as often.
  private func survives(_ call: JournalCall, after uses: Int, times: Int, _ error: Int32) throws
    -> Bool
  {
    let box = try JournalBox()
    let system = FailingSystem()
    let journal = box.journal()
    let model = Self.model
    var finished = true
    system.fail(call, after: uses, times: times, error)
    let writer: JournalWriter
    do throws(JournalError) {
      let budget = try JournalBudget(jobs: box.jobs, totalBytes: 1 << 20, system: system)
      writer = try JournalWriter(
        folder: journal, name: JournalBox.name(1),
        settings: JournalSettings(bytes: JournalLimit.minimumBytes), budget: budget,
        system: system)
    } catch {
      #expect(error.code == .system(errorNumber(error)) || error.code == .noRoom)
      system.succeed()
      // Nothing is in the way of another attempt, unless the cleaning up failed too.
      if times == 1, call != .remove, call != .removeFolder {
        let budget = try JournalBudget(jobs: box.jobs, totalBytes: 1 << 20)
        let again = try JournalWriter(
          folder: journal, name: JournalBox.name(1),
          settings: JournalSettings(bytes: JournalLimit.minimumBytes), budget: budget)
        try again.finish()
      }
      return true
    }
    for piece in model.pieces {
      let outcome = append(piece, to: writer)
      if case .full = outcome { Issue.record("this journal is never full") }
    }
    do throws(JournalError) { try writer.finish() } catch {
      finished = false
      if times == 1 {
        try writer.finish()
        finished = true
      }
    }
    let triggered = system.triggered
    system.succeed()
    #expect(writer.totals == model.totals)
    let reading = try Reading(JournalReader(folder: journal))
    if finished {
      #expect(reading.last == .end)
      reading.check(against: model, from: .zero)
      let lost = JournalChannel.allCases.reduce(0) { $0 + writer.lost[$1] }
      let missing = JournalChannel.allCases.reduce(0) { $0 + reading.missing($1, .notWritten) }
      // A lost part of the beginning may be a part of what was dropped.
      #expect(missing <= lost)
      if reading.gaps.allSatisfy({ $0.reason != .dropped }) { #expect(missing == lost) }
    } else {
      #expect(reading.last == .waiting)
    }
    #expect(!reading.gaps.contains { $0.reason == .damaged })
    return triggered > 0
  }

  private func errorNumber(_ error: JournalError) -> Int32 {
    if case .system(let number) = error.code { return number }
    return 0
  }

  @Test(arguments: JournalCall.allCases)
  func aFailedCallOfTheReaderCanBeRepeated(call: JournalCall) throws {
    let box = try JournalBox()
    let journal = box.journal()
    var random = SeededGenerator(seed: 6)
    var model = JournalModel()
    let writer = try JournalWriter(
      folder: journal, name: JournalBox.name(1),
      settings: JournalSettings(bytes: JournalLimit.minimumBytes))
    for number in 0..<40 {
      model.add(number % 4 == 0 ? 60_000 : 900, to: number % 3 == 0 ? .error : .output, &random)
      append(model.pieces[number], to: writer)
    }
    for start in [JournalStart.offsets(.zero), .lines(5)] {
      var uses = 0
      while try readsAgain(journal, model, from: start, call, after: uses) { uses += 1 }
    }
  }

  private func readsAgain(
    _ journal: SystemString, _ model: JournalModel, from start: JournalStart, _ call: JournalCall,
    after uses: Int
  ) throws -> Bool {
    let system = FailingSystem()
    system.fail(call, after: uses, EIO)
    let reader: JournalReader
    do throws(JournalError) {
      reader = try JournalReader(folder: journal, from: start, system: system)
    } catch {
      #expect(error.code == .system(EIO))
      return true
    }
    let position = reader.position
    var reading: Reading?
    var failures = 0
    var parts: [Reading] = []
    while reading?.last != .waiting {
      do throws(JournalError) {
        var part = Reading()
        defer { parts.append(part) }
        try part.read(reader, room: JournalLimit.recordBytes)
        reading = part
      } catch {
        #expect(error.code == .system(EIO))
        failures += 1
        if failures > 1 { break }
      }
    }
    var all = Reading()
    for part in parts {
      all.gaps += part.gaps
      all.received += part.received
    }
    all.check(against: model, from: position)
    #expect(failures == system.triggered)
    return system.triggered > 0
  }
}
