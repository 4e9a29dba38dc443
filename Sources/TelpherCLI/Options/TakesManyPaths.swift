internal import ArgumentParser

/// A command that takes any number of paths.
protocol TakesManyPaths: ParsableCommand, TakesByteArguments {
  /// The paths, in order.
  var paths: [PathArgument] { get set }
}
