namespace Picograd.Tests;

/// <summary>Layers of convolutional networks as Keras defines them, plainly and in float64: pictures are [height, width, channels].</summary>
internal sealed class KerasReference(IReadOnlyDictionary<string, Tensor> weights)
{
    public sealed record Picture(int Height, int Width, int Channels, double[] Values)
    {
        public ref double this[int y, int x, int c] => ref Values[(y * Width + x) * Channels + c];

        public Picture Map(Func<double, double> f) => this with { Values = [.. Values.Select(f)] };

        public static Picture operator +(Picture a, Picture b) =>
            a with
            {
                Values = [.. a.Values.Zip(b.Values, (x, y) => x + y)],
            };

        /// <summary>Channels of both behind one another.</summary>
        public Picture Joined(Picture other)
        {
            var both = Empty(Height, Width, Channels + other.Channels);
            for (int i = 0; i < Height * Width; i++)
            {
                Array.Copy(Values, i * Channels, both.Values, i * both.Channels, Channels);
                Array.Copy(other.Values, i * other.Channels, both.Values, i * both.Channels + Channels, other.Channels);
            }
            return both;
        }

        public static Picture Empty(int height, int width, int channels) =>
            new(height, width, channels, new double[height * width * channels]);

        /// <summary>Of bytes [channels, height, width].</summary>
        public static Picture Of(Tensor image)
        {
            double[] planes = image.ToDoubles();
            var picture = Empty((int)image.Size(1), (int)image.Size(2), (int)image.Size(0));
            for (int c = 0, i = 0; c < picture.Channels; c++)
            for (int y = 0; y < picture.Height; y++)
            for (int x = 0; x < picture.Width; x++)
                picture[y, x, c] = planes[i++];
            return picture;
        }
    }

    /// <summary>A convolution with padding "same": what a stride lacks is filled up behind first.</summary>
    public Picture Conv(Picture x, string kernel, string? bias = null, int stride = 1)
    {
        var shape = weights[kernel].Shape;
        double[] w = weights[kernel].ToDoubles();
        double[]? b = bias is null ? null : weights[bias].ToDoubles();
        var (size, from, to) = ((int)shape[0], (int)shape[2], (int)shape[3]);
        var (height, width) = ((x.Height + stride - 1) / stride, (x.Width + stride - 1) / stride);
        int top = Math.Max((height - 1) * stride + size - x.Height, 0) / 2;
        int left = Math.Max((width - 1) * stride + size - x.Width, 0) / 2;
        var result = Picture.Empty(height, width, to);
        for (int y = 0; y < height; y++)
        for (int z = 0; z < width; z++)
        {
            var sums = result.Values.AsSpan((y * width + z) * to, to);
            b?.CopyTo(sums);
            for (int i = 0; i < size; i++)
            for (int j = 0; j < size; j++)
            {
                var (r, s) = (y * stride + i - top, z * stride + j - left);
                if (r < 0 || r >= x.Height || s < 0 || s >= x.Width)
                    continue;
                for (int c = 0; c < from; c++)
                {
                    double value = x[r, s, c];
                    var row = w.AsSpan(((i * size + j) * from + c) * to, to);
                    for (int o = 0; o < row.Length; o++)
                        sums[o] += value * row[o];
                }
            }
        }
        return result;
    }

    public Picture BatchNorm(Picture x, string name, string ending = "", double eps = 1e-3)
    {
        double[] Get(string what) => weights[$"{name}/{what}{ending}"].ToDoubles();
        var (gamma, beta, mean, variance) = (Get("gamma"), Get("beta"), Get("moving_mean"), Get("moving_variance"));
        var result = x with { Values = (double[])x.Values.Clone() };
        for (int i = 0; i < result.Values.Length; i++)
        {
            int c = i % x.Channels;
            result.Values[i] = (x.Values[i] - mean[c]) / Math.Sqrt(variance[c] + eps) * gamma[c] + beta[c];
        }
        return result;
    }

    public static Picture Halved(Picture x)
    {
        var result = Picture.Empty(x.Height / 2, x.Width / 2, x.Channels);
        for (int y = 0; y < result.Height; y++)
        for (int z = 0; z < result.Width; z++)
        for (int c = 0; c < x.Channels; c++)
            result[y, z, c] = Math.Max(
                Math.Max(x[2 * y, 2 * z, c], x[2 * y, 2 * z + 1, c]),
                Math.Max(x[2 * y + 1, 2 * z, c], x[2 * y + 1, 2 * z + 1, c])
            );
        return result;
    }

    public static Picture Doubled(Picture x)
    {
        var result = Picture.Empty(2 * x.Height, 2 * x.Width, x.Channels);
        for (int y = 0; y < result.Height; y++)
        for (int z = 0; z < result.Width; z++)
        for (int c = 0; c < x.Channels; c++)
            result[y, z, c] = x[y / 2, z / 2, c];
        return result;
    }

    public static double[] Means(Picture x) =>
        [.. Enumerable.Range(0, x.Channels).Select(c => x.Values.Where((_, i) => i % x.Channels == c).Average())];

    public static double[] Softmax(double[] logits)
    {
        double[] e = [.. logits.Select(l => Math.Exp(l - logits.Max()))];
        return [.. e.Select(v => v / e.Sum())];
    }
}
