/// A command whose arguments may be bytes that are not UTF-8: it restores them with
/// `ArgumentText.bytes(of:)`. Arguments of other commands must be UTF-8.
protocol TakesByteArguments {}
