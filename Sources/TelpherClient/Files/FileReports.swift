internal import Synchronization
internal import TelpherTransfer

/// Collects the outcomes of the files of a transfer. May be used from any thread.
final class FileReports: Sendable {
  /// The most reports that are kept; it limits the memory of a transfer of millions of files.
  private static let most = 1_000

  private let handler: FileReportHandler?
  private let files = Mutex<[FileReport]>([])

  /// Creates a collector that also passes each report to `handler`.
  init(passingTo handler: FileReportHandler?) { self.handler = handler }

  /// The reports of the first files.
  var kept: [FileReport] { files.withLock { $0 } }

  /// Adds a report.
  @Sendable func add(_ report: FileReport) {
    files.withLock { if $0.count < Self.most { $0.append(report) } }
    handler?(report)
  }
}
