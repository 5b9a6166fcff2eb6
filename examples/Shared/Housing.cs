using System.CommandLine;
using Picograd.Data;

namespace Picograd.Examples;

/// <summary>The houses of California in 1990, a district a row (Pace and Barry, 1997).</summary>
internal static class Housing
{
    public static readonly string[] Features =
    [
        "longitude",
        "latitude",
        "housing_median_age",
        "total_rooms",
        "total_bedrooms",
        "population",
        "households",
        "median_income",
    ];

    /// <summary>Features [n, 8] and the median value of a house [n] in dollars, in float64 and in a random order; what is missing is the median.</summary>
    public static (Tensor Features, Tensor Values) Load(ParseResult parsed)
    {
        var table = Csv.Load(
                Example.File(parsed, "california-housing.csv"),
                columns: [.. Features, "median_house_value"]
            )
            .Double();
        table = table[Tensor.RandPerm(table.Size(0), new Generator(parsed.GetValue(Example.Seed)))];
        var known = table.NanMedian(0).Values.ExpandAs(table);
        table = Tensor.Where(table.IsNan(), known, table);
        return (table[.., ..^1], table[.., ^1]);
    }

    /// <summary>The first four fifths, and the rest.</summary>
    public static (Tensor Training, Tensor Test) Divided(Tensor rows) =>
        (rows[..(int)(rows.Size(0) * 4 / 5)], rows[(int)(rows.Size(0) * 4 / 5)..]);

    /// <summary>With a mean of 0 and a deviation of 1 in the training part, and a column of ones in front.</summary>
    public static Tensor Standardized(Tensor rows)
    {
        var (deviation, mean) = Divided(rows).Training.StdMean([0]);
        return Tensor.Cat([Tensor.Ones([rows.Size(0), 1], rows.DType), (rows - mean) / deviation], 1);
    }
}
