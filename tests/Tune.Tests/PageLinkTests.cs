using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace Picograd.Tests;

/// <summary>What the main pages point to. The programs of README.md are compiled and run by the tests of the packages.</summary>
public sealed class PageLinkTests
{
    [Fact]
    public void Pages_that_readme_and_architecture_point_to_exist()
    {
        foreach (string page in new[] { "README.md", "docs/architecture.md" })
        {
            string text = File.ReadAllText(Path.Combine(Root(), page));
            string folder = Path.GetDirectoryName(Path.Combine(Root(), page))!;
            foreach (Match link in Regex.Matches(text, @"\]\((?!http)([^)#]+)\)"))
            {
                string target = Path.Combine(folder, link.Groups[1].Value);
                Assert.True(
                    File.Exists(target) || Directory.Exists(target),
                    $"{page} points to {link.Groups[1].Value}"
                );
            }
        }
    }

    private static string Root() => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", ".."));

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
