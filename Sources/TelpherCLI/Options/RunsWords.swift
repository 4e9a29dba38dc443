internal import ArgumentParser

/// A command that runs the words at the end of its command line.
protocol RunsWords: AsyncParsableCommand, TakesByteArguments {
  /// The words.
  var words: [String] { get set }
}
