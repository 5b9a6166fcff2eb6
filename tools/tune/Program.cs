namespace Picograd.Tune;
internal static class Program { private static int Main() => 0; }
