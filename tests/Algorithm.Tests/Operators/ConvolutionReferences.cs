using System.Globalization;

namespace Picograd.Tests.Operators;

/// <summary>Convolution by plain loops over outputs and filters.</summary>
internal static class ConvolutionReferences
{
    public static double[][] Of(Given g)
    {
        int Dim(string key) => (int)g.Spec.Dim(key);
        int pad = int.Parse(g.Spec.Choice("pad"), CultureInfo.InvariantCulture);
        var (c, h, w, oc, kh, kw) = (Dim("c"), Dim("h"), Dim("w"), Dim("oc"), Dim("kh"), Dim("kw"));
        var (stride, dil, groups) = (Dim("stride"), Dim("dil"), Dim("groups"));
        int height = (h + 2 * pad - dil * (kh - 1) - 1) / stride + 1;
        int width = (w + 2 * pad - dil * (kw - 1) - 1) / stride + 1;
        var result = new List<double>();
        for (int n = 0; n < Dim("n"); n++)
        for (int o = 0; o < oc; o++)
        for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
        {
            double sum = 0;
            int first = o / (oc / groups) * (c / groups);
            for (int i = 0; i < c / groups; i++)
            for (int dy = 0; dy < kh; dy++)
            for (int dx = 0; dx < kw; dx++)
            {
                int row = y * stride + dy * dil - pad;
                int column = x * stride + dx * dil - pad;
                if (row < 0 || row >= h || column < 0 || column >= w)
                    continue;
                double pixel = g["X"].At(((n * c + first + i) * h + row) * w + column);
                sum += pixel * g["W"].At(((o * (c / groups) + i) * kh + dy) * kw + dx);
            }
            if (g.Spec.Flag("bias"))
                sum += g["bias"].At(o);
            result.Add(sum);
        }
        return
        [
            [.. result],
        ];
    }
}
