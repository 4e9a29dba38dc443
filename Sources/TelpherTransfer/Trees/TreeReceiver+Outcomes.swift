internal import TelpherFileStore
internal import TelpherWire

extension TreeReceiver {
  /// Settles an entry as stored or skipped, and reports it to the sender.
  mutating func settle(_ number: Int, _ outcome: TransferLedger.Outcome) {
    let entry = ledger.settle(number, outcome)
    announced.remove(entry.path)
    switch outcome {
    case .stored:
      answers.add(.stored, for: number)
      report(entry, .stored)
    case .skipped(let reason):
      answers.add(.skip(reason), for: number)
      report(entry, .skipped(reason))
    case .failed: preconditionFailure("a failure has a reason: see `fail`")
    }
  }

  private func report(_ entry: TransferLedger.Entry, _ outcome: FileReport.Outcome) {
    guard let onFile, entry.kind == .file else { return }
    onFile(FileReport(wirePath(of: entry.path), entry, outcome, options.digest))
  }

  /// The path as the sender knows it.
  private func wirePath(of path: RelativePath) -> [UInt8] {
    base.path.isRoot ? path.bytes : Array(path.bytes.dropFirst(base.path.bytes.count + 1))
  }

  /// Settles the results of a group.
  mutating func settle(_ results: [CommitGroup.Result]) {
    for (number, error) in results {
      if let error {
        guard let entry = ledger[number] else {
          preconditionFailure("an entry stays open while it is in a group")
        }
        _ = fail(number, entry.path, error)
      } else {
        settle(number, .stored)
      }
    }
  }

  /// Performs a step of storing one entry. If it fails, reports the entry as failed and returns a
  /// receipt for that.
  @discardableResult
  mutating func storing(
    _ number: Int, _ path: RelativePath,
    _ body: (inout TreeReceiver) throws(FileError) -> Void
  ) -> TransferLedger.FailureReceipt? {
    do throws(FileError) {
      try havingDescriptors(body)
      return nil
    } catch {
      return fail(number, path, error)
    }
  }

  /// Settles an entry as failed, reports it to the sender, and adds the reason to `failures`.
  mutating func fail(
    _ number: Int, _ path: RelativePath, _ error: FileError
  ) -> TransferLedger.FailureReceipt {
    failureList.add("\(path)", error.message)
    answers.fail(number, path, error.message)
    let (entry, receipt) = ledger.settleFailure(number)
    announced.remove(entry.path)
    report(entry, .failed(error.message))
    return receipt
  }

  /// Records the failure of something that the sender could not announce.
  mutating func takeUnsent(_ part: FilePart) {
    ledger.addUnsent()
    guard case .failed(let message, let path) = part.end else {
      return failureList.add("", "the sender could not send it")
    }
    failureList.add(path.map { String(decoding: $0.bytes, as: UTF8.self) } ?? "", message)
  }
}
