internal import TelpherTransport

/// A stream that reads while its user wants that.
protocol UVReader: ByteStream {
  var loop: UVLoop { get }
  /// What the user wants. Each change updates whether the stream reads.
  var demand: ReadDemand { get set }
}

extension UVReader {
  var readLimit: Int {
    get { demand.limit }
    set { demand.limit = newValue }
  }

  func resumeReading() {
    loop.preconditionIsCurrent()
    demand.isReading = true
  }

  func pauseReading() {
    loop.preconditionIsCurrent()
    demand.isReading = false
  }
}

/// What the user of a stream wants to read.
struct ReadDemand {
  /// Whether reading is resumed, not paused.
  var isReading = false
  /// The most bytes that the next read may return. Nothing is read while it is 0.
  var limit = Int.max

  /// Whether there may be a read.
  var mayRead: Bool { isReading && limit > 0 }
}
