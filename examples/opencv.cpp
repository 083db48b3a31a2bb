/* SPDX-License-Identifier: MIT
 * Objects in a cv::Mat, read where its pixels lie: opencv PIPELINE PICTURE...
 *
 *     c++ examples/opencv.cpp -o opencv $(pkg-config --cflags --libs sight opencv4)
 */
#include <sight.h>

#include <cstdio>
#include <memory>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

struct Close {
    void operator()(sight_pipeline *pipeline) const { sight_pipeline_close(&pipeline); }
    void operator()(sight_result *result) const { sight_result_destroy(&result); }
};

/* Borrows the pixels: `image` must live until sight_infer_pixels returns. Parts of a larger Mat, whose rows have gaps
 * between them, need no copy either. 8 bits, 1 channel or 3 (blue first, as OpenCV has them). */
static sight_pixels pixels_of(const cv::Mat &image)
{
    sight_pixels pixels = SIGHT_PIXELS_INIT;

    pixels.format = image.type() == CV_8UC3 ? SIGHT_BGR24 : image.type() == CV_8UC1 ? SIGHT_GRAY8 : 0;
    pixels.width = image.cols;
    pixels.height = image.rows;
    pixels.stride_bytes = image.step;
    pixels.data = image.data;
    pixels.data_bytes = image.empty() ? 0 : (image.rows - 1) * image.step + image.cols * image.elemSize();
    return pixels;
}

static bool print(sight_pipeline *pipeline, const cv::Mat &image, const char *name, sight_result *result)
{
    sight_pixels pixels = pixels_of(image);
    sight_error error;

    if (sight_infer_pixels(pipeline, &pixels, nullptr, result, &error) < 0)
        return std::fprintf(stderr, "opencv: %s: %s\n", name, error.message), false;
    for (int i = 0; i < sight_result_object_count(result); i++) {
        const sight_object *o = sight_result_object(result, i);

        std::printf("%s %s %.2f %.0f,%.0f %.0fx%.0f\n", name, o->label ? o->label : "?", o->score, o->x, o->y, o->w, o->h);
    }
    return true;
}

int main(int argc, char **argv)
{
    sight_pipeline *opened = nullptr;
    sight_result *created = nullptr;
    sight_error error = {0, ""};
    bool good = true;

    if (argc < 3)
        return std::fprintf(stderr, "usage: opencv PIPELINE PICTURE...\n"), 2;
    if (sight_pipeline_open(argv[1], nullptr, &opened, &error) < 0 || sight_result_create(&created) < 0)
        return std::fprintf(stderr, "opencv: %s\n", error.message), 1;
    std::unique_ptr<sight_pipeline, Close> pipeline(opened);
    std::unique_ptr<sight_result, Close> result(created);
    for (int arg = 2; arg < argc; arg++) {
        cv::Mat image = cv::imread(argv[arg]);

        good = print(pipeline.get(), image, argv[arg], result.get()) && good;
        if (!image.empty()) /* the left half, where it lies in the whole */
            good = print(pipeline.get(), image.colRange(0, (image.cols + 1) / 2), "left half:", result.get()) && good;
    }
    return good ? 0 : 1;
}
